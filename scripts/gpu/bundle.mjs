// Makes the bundle: everything in parts, a script that unpacks and runs them, and what they need.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { machine, tmpdir, type } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

import { sha256 } from '../fetch.mjs'
import { BootstrapError, mebibytes, say } from '../progress.mjs'
import {
  checkLoads,
  findLibrary,
  isElf,
  neededLibraries,
  placeAddons,
  placeBinary,
  placeNativeBenches,
  placeNativeTests,
  requiredGlibc,
} from './binaries.mjs'
import { placeLicences } from './licences.mjs'
import { makePart, pruneParts } from './parts.mjs'
import { Pieces } from './pieces.mjs'
import { placeSanitizer } from './sanitizer.mjs'
import { checkSize, largestBundle } from './size.mjs'
import { runtimeFolder, stageJavaScript } from './stage.mjs'
import { staleAddon } from './stale.mjs'

/** What Node needs and a bare machine may lack; used there only when Node does not start without. */
const nodeLibraries = ['libstdc++.so.6', 'libgcc_s.so.1']

/** The commit, marked when the tree has changes on top of it. */
function describeCommit(root) {
  const git = (...args) => spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout?.trim()
  const commit = git('rev-parse', '--short', 'HEAD')
  if (!commit) return 'unknown'
  return git('status', '--porcelain') ? `${commit}-dirty` : commit
}

/** Node and the C++ library that it needs, as the files of a part. */
function placeNode(folder) {
  const node = join(folder, 'node')
  placeBinary(process.execPath, node)
  for (const name of neededLibraries(node).filter((each) => nodeLibraries.includes(each))) {
    placeBinary(findLibrary(process.execPath, name), join(folder, 'lib', name))
  }
  return [node]
}

/**
 * The parts as folders below `work`.
 *
 * @returns {Promise<{
 *   parts: { name: string, about: string, folder: string }[],
 *   glibc: string,
 * }>} and the oldest glibc that loads them
 */
async function makeFolders(root, work, { without, sanitizer, env }) {
  const parts = []
  const folderOf = (name) => join(work, name)
  const add = (name, about, programs = []) =>
    parts.push({ name, about, folder: folderOf(name), programs })

  add('node', `Node ${process.version}`, placeNode(folderOf('node')))

  const appOf = (name) => join(folderOf(name), 'app')
  const inlined = await stageJavaScript(root, appOf('javascript'))
  placeLicences(root, join(folderOf('javascript'), 'licences'), inlined, process.execPath, env)
  add('javascript', 'the packages and GPU test suites as JavaScript; licences')

  for (const { package: name, files } of placeAddons(root, appOf)) {
    if (without.includes(name)) continue
    for (const file of files.filter((each) => each.endsWith('.node'))) checkLoads(file)
    if (files.length > 0) add(name, files.map((file) => basename(file)).join(', '), files)
    else say(`packages/${name} has no addon: what needs it will say so. (npm run build:cuda)`)
    const stale = staleAddon(root, name)
    if (stale) say(`${stale.addon} is older than ${stale.source}. (npm run build:cuda)`)
  }
  const native = { tests: placeNativeTests, benches: placeNativeBenches }
  for (const [kind, place] of Object.entries(native)) {
    const name = `native-${kind}`
    const files = without.includes(name) ? [] : place(root, appOf(name))
    if (files.length > 0) add(name, files.map((file) => basename(file)).join(', '), files)
  }
  if (sanitizer) {
    await placeSanitizer(appOf('sanitizer'), env)
    add('sanitizer', 'compute-sanitizer')
  }

  const programs = parts.flatMap((part) => part.programs).filter(isElf)
  const glibc = requiredGlibc(programs)
  const pieces = new Pieces()
  for (const part of parts.filter(({ name }) => name !== 'node')) {
    const app = appOf(part.name)
    const saved = part.programs
      .filter(isElf)
      .reduce((sum, file) => sum + pieces.place(file, relative(app, file)), 0)
    if (saved > 0) part.about += `; ${mebibytes(saved)} of it as in others`
  }
  return { parts, glibc }
}

const fill = (text, values) => text.replaceAll(/@(\w+)@/g, (_, name) => values[name])

/**
 * Makes a bundle of the parts in `folder/parts`: adds what unpacks, checks and explains them.
 *
 * @param {string} root The repository.
 * @param {string} folder
 * @param {{ name: string, about: string, file: string, unpackedBytes: number }[]} parts
 * @param {{ glibc: string, commit: string }} needs The oldest glibc, and what it was made from.
 */
export async function seal(root, folder, parts, { glibc, commit }) {
  for (const file of ['run.sh', 'unpack.mjs', 'assemble.mjs'])
    cpSync(join(runtimeFolder, file), join(folder, file))
  for (const file of ['LICENSE', 'NOTICE']) cpSync(join(root, file), join(folder, file))
  const checked = [
    ...parts.map(({ file }) => `parts/${basename(file)}`),
    'unpack.mjs',
    'assemble.mjs',
  ]
  const lines = checked.map(async (name) => `${await sha256(join(folder, name))}  ${name}\n`)
  const sums = (await Promise.all(lines)).join('')
  writeFileSync(join(folder, 'SHA256SUMS'), sums)
  const values = {
    id: createHash('sha256').update(sums).digest('hex').slice(0, 12),
    system: `${type()}-${machine()}`,
    machine: machine(),
    glibc,
    commit,
    node: process.version,
    unpacked: mebibytes(parts.reduce((sum, { unpackedBytes }) => sum + unpackedBytes, 0)),
    contents: parts.map(({ name, about }) => `  ${name}: ${about}`).join('\n'),
  }
  const keys = ['id', 'system', 'glibc', 'commit']
  const conf = keys.map((key) => `bundle_${key}='${values[key]}'\n`).join('')
  writeFileSync(join(folder, 'bundle.conf'), conf)
  const readme = readFileSync(fileURLToPath(new URL('README.txt', import.meta.url)), 'utf8')
  writeFileSync(join(folder, 'README.txt'), fill(readme, values))
}

/**
 * Makes a bundle of what is built.
 *
 * @param {object} options
 * @param {string} options.root The repository.
 * @param {string} options.out The folder; replaced when it is a bundle.
 * @param {string[]} [options.without] Packages whose addons stay out, `native-tests` or
 * `native-benches`. Default none.
 * @param {boolean} [options.sanitizer] Brings compute-sanitizer along. Default `false`.
 * @param {number} [options.limit] Most bytes. Default 60 MiB.
 * @returns {Promise<{ bytes: number, parts: { name: string, bytes: number }[] }>}
 */
export async function makeBundle({
  root,
  out,
  without = [],
  sanitizer = false,
  limit = largestBundle,
  env = process.env,
}) {
  if (process.platform !== 'linux')
    throw new BootstrapError('Bundles are made on Linux, for Linux.')
  if (existsSync(out) && readdirSync(out).length > 0 && !existsSync(join(out, 'bundle.conf'))) {
    throw new BootstrapError(`${out} is no bundle and not empty: name another folder with --out.`)
  }
  const cache = join(root, 'node_modules/.cache/gpu-bundle')
  const work = mkdtempSync(join(tmpdir(), 'vattention-bundle-'))
  const made = `${out}.${process.pid}`
  try {
    mkdirSync(join(made, 'parts'), { recursive: true })
    const { parts: folders, glibc } = await makeFolders(root, work, { without, sanitizer, env })
    const parts = []
    for (const { name, about, folder } of folders) {
      const suffix = name === 'node' ? 'gz' : 'br'
      const part = await makePart(folder, name, suffix, join(made, 'parts'), cache)
      say(
        `  ${mebibytes(part.bytes).padStart(9)}  ${name} (${mebibytes(part.unpackedBytes)}): ${about}`,
      )
      parts.push({ name, about, ...part })
    }
    await pruneParts(cache)

    await seal(root, made, parts, { glibc, commit: describeCommit(root) })
    const bytes = checkSize(made, limit)
    rmSync(out, { recursive: true, force: true })
    mkdirSync(dirname(out), { recursive: true })
    renameSync(made, out)
    return { bytes, parts }
  } finally {
    rmSync(work, { recursive: true, force: true })
    rmSync(made, { recursive: true, force: true })
  }
}
