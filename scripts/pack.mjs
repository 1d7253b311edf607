// Stages and packs every package as it is published, into stage/:
//
//   stage/<package>/         what goes into the tarball: dist, README, LICENSE, package.json without
//                            what only this repository needs
//   stage/<package>-<os>-<cpu>/  the platform package with the addon that was built on this machine
//   stage/tarballs/*.tgz
//
// A package with an addon gets its platform packages as optional dependencies here and not in the
// workspace, where npm would look for them before they exist. `os`, `cpu` and `libc` too are only
// in the staged copy: in a workspace member they would stop `npm install` on other machines.
//
//   node scripts/pack.mjs                 builds, then packs everything
//   node scripts/pack.mjs interface core  only these
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { artifactFolder } from './artifacts.mjs'
import { bootstrap, root } from './bootstrap.mjs'
import { cudaAddons } from './cuda/addons.mjs'
import { runNx } from './nx.mjs'
import { BootstrapError, mebibytes, runMain } from './progress.mjs'

/** Platforms that have prebuilt addons: the suffix of the package's name and npm's fields. */
const platforms = {
  'linux-x64': { os: ['linux'], cpu: ['x64'], libc: ['glibc'] },
}

/** Uploads fail near 200 MiB. */
const largestTarball = 150 * 2 ** 20

const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'))
const writeJson = (file, value) => writeFileSync(file, `${JSON.stringify(value, undefined, 2)}\n`)

/** Where a package's sources are: in `packages/`, but for the benchmarks. */
const folderOf = (name) => (name === 'bench' ? join(root, name) : join(root, 'packages', name))

/** Folders of `packages/` that are published, and `bench`. */
export function publishedPackages() {
  return [...readdirSync(join(root, 'packages')), 'bench'].filter(
    (name) => !readJson(join(folderOf(name), 'package.json')).private,
  )
}

/** Whether the package has an addon of its own. */
function hasAddon(name) {
  return existsSync(join(folderOf(name), 'CMakeLists.txt'))
}

/** The package's addons that were built. Only those for GPUs may be missing, `withoutCuda`. */
function builtAddons(name, withoutCuda) {
  if (!hasAddon(name)) return []
  const files = [...new Set(['addon.node', cudaAddons[name] ?? 'addon.node'])]
  return files.filter((file) => {
    if (existsSync(join(folderOf(name), file))) return true
    const cuda = file === cudaAddons[name]
    if (cuda && withoutCuda) return false
    const build = cuda ? 'npm run build:cuda' : 'npm run build'
    throw new BootstrapError(`packages/${name}/${file} is missing: run ${build} first.`)
  })
}

/** `exports` without the condition that names sources, which are not published. */
function withoutSources(value) {
  if (typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([condition]) => condition !== '@vattention/source')
      .map(([key, inner]) => [key, withoutSources(inner)]),
  )
}

function freshFolder(folder) {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const file of ['LICENSE', 'NOTICE']) cpSync(join(root, file), join(folder, file))
  return folder
}

/** Stages the JavaScript package `packages/<name>`; returns its folder. */
function stagePackage(name, stage) {
  const source = folderOf(name)
  if (!existsSync(join(source, 'dist'))) {
    throw new BootstrapError(`${name}/dist is missing: run npm run build first.`)
  }
  const folder = freshFolder(join(stage, name))
  const manifest = readJson(join(source, 'package.json'))
  for (const file of manifest.files) {
    cpSync(join(source, file), join(folder, file), { recursive: true })
  }
  if (existsSync(join(source, 'README.md')))
    cpSync(join(source, 'README.md'), join(folder, 'README.md'))

  for (const key of ['scripts', 'devDependencies', 'binary', 'nx']) delete manifest[key]
  manifest.files.push('NOTICE')
  manifest.exports = withoutSources(manifest.exports)
  if (hasAddon(name)) {
    manifest.optionalDependencies = Object.fromEntries(
      Object.keys(platforms).map((platform) => [`${manifest.name}-${platform}`, manifest.version]),
    )
  }
  writeJson(join(folder, 'package.json'), manifest)
  return folder
}

/** Stages the platform package with the package's addons for this machine; returns its folder. */
function stagePlatformPackage(name, addons, stage, env) {
  const platform = `${process.platform}-${process.arch}`
  if (!(platform in platforms)) {
    throw new BootstrapError(`${platform} has no platform packages yet: see scripts/pack.mjs.`)
  }
  const source = folderOf(name)
  const folder = freshFolder(join(stage, `${name}-${platform}`))
  const files = [...addons]
  for (const addon of addons) cpSync(join(source, addon), join(folder, addon))
  if (existsSync(join(source, 'libdnnl.so.3'))) {
    cpSync(join(source, 'libdnnl.so.3'), join(folder, 'libdnnl.so.3'))
    const notices = join(artifactFolder('onednn', env), 'share/doc/onednn/THIRD-PARTY-PROGRAMS')
    cpSync(notices, join(folder, 'THIRD-PARTY-PROGRAMS'))
    files.push('libdnnl.so.3', 'THIRD-PARTY-PROGRAMS')
  }
  const { name: packageName, version, license, engines } = readJson(join(source, 'package.json'))
  writeJson(join(folder, 'package.json'), {
    name: `${packageName}-${platform}`,
    version,
    description: `The native addon of ${packageName} for ${platform}. Installed by it.`,
    license,
    engines,
    ...platforms[platform],
    preferUnplugged: true,
    files: [...files, 'NOTICE'],
    exports: Object.fromEntries(
      [...addons, 'package.json'].map((file) => [`./${file}`, `./${file}`]),
    ),
  })
  writeFileSync(
    join(folder, 'README.md'),
    `# ${packageName}-${platform}\n\nThe native addon of \`${packageName}\` for ${platform}. Install \`${packageName}\`; npm brings this along.\n`,
  )
  return folder
}

/** `npm pack` of a staged folder; returns the tarball's path. */
function packFolder(folder, tarballs, env) {
  const args = ['pack', '--json', '--pack-destination', tarballs, '--loglevel=error']
  const { status, stdout, stderr } = spawnSync('npm', args, { cwd: folder, env, encoding: 'utf8' })
  if (status !== 0) throw new BootstrapError(`npm pack failed in ${folder}:\n${stderr}`)
  const [packed] = JSON.parse(stdout)
  if (packed.size > largestTarball) {
    throw new BootstrapError(
      `${packed.filename} has ${mebibytes(packed.size)}: too large to publish.`,
    )
  }
  return join(tarballs, packed.filename)
}

/**
 * Stages and packs packages that are built.
 *
 * @param {string[]} names Folders of `packages/`.
 * @param {string} stage Where to.
 * @param {NodeJS.ProcessEnv} [env]
 * @param {{ withoutCuda?: boolean }} [options] `withoutCuda`: addons for GPUs that were not built are
 * left out. Defaults to `false`: they are missing.
 * @returns {{ name: string, folder: string, tarball: string }[]} `name` is the staged folder's name.
 */
export function pack(names, stage, env = process.env, { withoutCuda = false } = {}) {
  const tarballs = join(stage, 'tarballs')
  mkdirSync(tarballs, { recursive: true })
  const folders = names.flatMap((name) => {
    const addons = builtAddons(name, withoutCuda)
    return [
      stagePackage(name, stage),
      ...(addons.length > 0 ? [stagePlatformPackage(name, addons, stage, env)] : []),
    ]
  })
  return folders.map((folder) => ({
    name: basename(folder),
    folder,
    tarball: packFolder(folder, tarballs, env),
  }))
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await runMain(async () => {
    const env = await bootstrap()
    const named = process.argv.slice(2)
    const names = named.length > 0 ? named : publishedPackages()
    if (runNx(['run-many', '-t', 'build', 'build:native'], env) !== 0) return 1
    for (const { tarball } of pack(names, join(root, 'stage'), env)) console.log(tarball)
  })
}
