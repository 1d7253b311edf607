// The JavaScript of a staged app, bundled from the sources: nothing of npm is needed where it runs.
//
//   packages/<p>/               each package: dist/ with third-party code inlined, other packages by
//                               name; and the folders that it ships besides
//   node_modules/               links to them, by which they find each other as if installed
//   suites/<p>/index.js         packages/<p>/test/gpu/index.ts, and programs *.process.js beside it
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, relative, sep } from 'node:path'

import { build } from 'esbuild'

import { BootstrapError } from '../progress.mjs'

const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'))

/** What packages call each other. */
const packageNames = ['@vattention/*', 'vattention']

const options = {
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  splitting: true,
  metafile: true,
  legalComments: 'inline',
  logLevel: 'silent',
  // For inlined CommonJS, which requires Node's own modules.
  banner: {
    js:
      "import { createRequire as vattentionCreateRequire } from 'node:module';" +
      'var require = vattentionCreateRequire(import.meta.url);',
  },
}

/** The packages: folders of `packages/`, and `bench`. */
export function readPackages(root) {
  const folder = join(root, 'packages')
  const folders = [...readdirSync(folder).map((name) => join(folder, name)), join(root, 'bench')]
  const manifests = folders.map((each) => join(each, 'package.json'))
  return manifests.filter(existsSync).map((file) => {
    const { name, version, bin, files } = readJson(file)
    return { name, version, folder: dirname(file), bin: Object.values(bin ?? {}), files }
  })
}

/** Runs esbuild; what it cannot do is one message. */
async function bundle(entryPoints, outdir, more) {
  try {
    return await build({ ...options, ...more, entryPoints, outdir })
  } catch (error) {
    throw new BootstrapError(`The bundle's JavaScript could not be built:\n${error.message}`)
  }
}

/** npm packages that were inlined, as folders relative to the repository. */
function inlined(root, { metafile }) {
  const files = Object.keys(metafile.inputs).filter((file) => file.includes('node_modules/'))
  return files.map((file) => {
    const [, owner] = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)
    return owner
  })
}

/** Bundles one package into `app/packages`, so that Node and its own loader find it there. */
async function bundlePackage(root, app, { name, version, folder, bin, files }) {
  const home = join(app, 'packages', basename(folder))
  const entries = ['index', ...bin.map((file) => basename(file, '.js'))]
  const sources = entries.map((entry) => join(folder, 'src', `${entry}.ts`))
  const result = await bundle(sources, join(home, 'dist'), {
    external: packageNames,
    absWorkingDir: root,
  })
  // Addons and what was built for npm have their own places.
  for (const file of files.filter((each) => !['dist', 'prebuilds'].includes(each))) {
    if (existsSync(join(folder, file)))
      cpSync(join(folder, file), join(home, file), { recursive: true })
  }
  const manifest = {
    name,
    version,
    type: 'module',
    exports: { '.': './dist/index.js', './package.json': './package.json' },
  }
  writeFileSync(join(home, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`)
  const link = join(app, 'node_modules', name)
  mkdirSync(dirname(link), { recursive: true })
  symlinkSync(relative(dirname(link), home), link)
  return inlined(root, result)
}

/**
 * Sources of a package that a suite imports are the package that is installed: its addon is found
 * from there, and must be loaded once.
 */
function byName(packages) {
  return {
    name: 'packages-by-name',
    setup({ onResolve }) {
      onResolve({ filter: /^vitest(\/|$)/ }, ({ importer }) => ({
        errors: [{ text: `${importer} imports vitest: GPU suites run without it` }],
      }))
      onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir, importer }) => {
        const target = join(resolveDir, path)
        for (const { name, folder } of packages) {
          const sources = join(folder, 'src') + sep
          if (!target.startsWith(sources) || importer.startsWith(sources)) continue
          if (target === join(sources, 'index.ts')) return { path: name, external: true }
          const text = `${importer} imports ${path}: GPU suites see only what ${name} exports`
          return { errors: [{ text }] }
        }
        return undefined
      })
    },
  }
}

/** Bundles a package's GPU suites, if it has any. */
async function bundleSuites(root, app, packages, { folder }) {
  const source = join(folder, 'test/gpu')
  if (!existsSync(join(source, 'index.ts'))) return []
  const programs = readdirSync(source).filter((file) => file.endsWith('.process.ts'))
  const entries = ['index.ts', ...programs].map((file) => join(source, file))
  const result = await bundle(entries, join(app, 'suites', basename(folder)), {
    external: packageNames,
    absWorkingDir: root,
    plugins: [byName(packages)],
  })
  return inlined(root, result)
}

/**
 * Makes all of it in `app`, which is empty.
 * @returns folders of the npm packages that were inlined, relative to `root`: for their licences
 */
export async function bundleJavaScript(root, app) {
  const packages = readPackages(root)
  mkdirSync(app, { recursive: true })
  writeFileSync(join(app, 'package.json'), '{ "private": true, "type": "module" }\n')
  const found = await Promise.all([
    ...packages.map((one) => bundlePackage(root, app, one)),
    ...packages.map((one) => bundleSuites(root, app, packages, one)),
  ])
  return [...new Set(found.flat())].sort()
}
