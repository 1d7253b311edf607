// What of a staged app is machine code: the addons, the libraries beside them, the native tests.
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'

import { BootstrapError } from '../progress.mjs'

/** Trees that native tests are built in: with CUDA's compiler, and without. */
const buildFolders = ['native/build-cuda', 'native/build']

function run(program, args) {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  if (status === 0) return stdout
  throw new BootstrapError(
    `${program} ${args.join(' ')} failed: ${stderr || error?.message}\n` +
      `${program} is part of GNU binutils (or of the C library): install it where the bundle is made.`,
  )
}

/** The shared libraries that an executable or a library asks for, by name. */
export function neededLibraries(file) {
  const lines = run('readelf', ['--dynamic', '--wide', file]).matchAll(/\(NEEDED\).*\[(.+)\]/g)
  return [...lines].map(([, name]) => name)
}

/** Path of a shared library that `file` is loaded with on this machine. */
export function findLibrary(file, name) {
  const found = run('ldd', [file])
    .split('\n')
    .find((line) => line.trim().startsWith(`${name} =>`))
  const path = found?.split('=>')[1]?.trim().split(' ')[0]
  if (!path?.startsWith('/')) throw new BootstrapError(`${file} needs ${name}, which is not found.`)
  return realpathSync(path)
}

const byVersion = (a, b) => {
  const [[aMajor, aMinor], [bMajor, bMinor]] = [a, b].map((text) => text.split('.').map(Number))
  return aMajor - bMajor || aMinor - bMinor
}

/** The oldest glibc that has everything these files call: `2.34`. */
export function requiredGlibc(files) {
  const versions = files.flatMap((file) =>
    [...run('readelf', ['--version-info', '--wide', file]).matchAll(/Name: GLIBC_(\d+\.\d+)/g)].map(
      ([, version]) => version,
    ),
  )
  return versions.sort(byVersion).at(-1) ?? '2.0'
}

/** Whether the kernel would load it: an executable or a shared library, and no script. */
export const isElf = (file) =>
  statSync(file).isFile() && readFileSync(file).subarray(0, 4).toString('latin1') === '\x7fELF'

/** Puts a binary somewhere: stripped, or for use in this tree as a link. */
export function placeBinary(from, to, { link = false } = {}) {
  mkdirSync(dirname(to), { recursive: true })
  if (link) return symlinkSync(from, to)
  cpSync(realpathSync(from), to)
  run('strip', ['--strip-unneeded', to])
}

/**
 * Puts the addons that are built, and the libraries beside them, into staged packages.
 *
 * @param {string} root The repository.
 * @param {(name: string) => string} appOf Where the app is that the files of this package go to.
 * @returns {{ package: string, files: string[] }[]} what was placed; packages with an addon of their
 * own that is not built have no files
 */
export function placeAddons(root, appOf, options) {
  const packages = readdirSync(join(root, 'packages')).filter((name) =>
    existsSync(join(root, 'packages', name, 'CMakeLists.txt')),
  )
  return packages.map((name) => {
    const source = join(root, 'packages', name)
    const sources = readdirSync(source)
      .filter((file) => /\.node$|^lib.*\.so/.test(file))
      .map((file) => join(source, file))
    if (sources.length > 0) {
      // The one library that machines often lack, since only compilers bring it.
      const gomp = 'libgomp.so.1'
      const asking = sources.find((file) => neededLibraries(file).includes(gomp))
      if (asking && !options?.link) sources.push(findLibrary(asking, gomp))
    }
    const files = sources.map((from) => {
      const file = basename(from).replace(/^(lib.*\.so\.\d+)\..*/, '$1')
      const to = join(appOf(name), 'packages', name, file)
      placeBinary(from, to, options)
      return to
    })
    return { package: name, files }
  })
}

/**
 * Loads an addon, in a process of its own.
 * @throws BootstrapError with the linker's reason: better here than on the machine that it is for.
 */
export function checkLoads(file) {
  const program = 'process.dlopen({ exports: {} }, process.argv[1])'
  const { status, signal, stderr } = spawnSync(process.execPath, ['-e', program, file], {
    encoding: 'utf8',
  })
  if (status === 0) return
  const reason = /Error: (.*)/.exec(stderr)?.[1] ?? signal ?? stderr
  const name = basename(dirname(file))
  throw new BootstrapError(
    `${name}/${basename(file)} does not load: ${reason}\nBuild it again, or leave it out: --without ${name}`,
  )
}

/** Executables of a tree by name: those listed, as far as they are built. */
function listed(root, list, folder) {
  const found = new Map()
  for (const tree of buildFolders) {
    const file = join(root, tree, list)
    if (!existsSync(file)) continue
    for (const name of readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
      const executable = join(root, tree, folder, name)
      if (existsSync(executable) && !found.has(name)) found.set(name, executable)
    }
  }
  return found
}

/** Puts the native tests for a GPU into `app/native`; returns the files. */
export function placeNativeTests(root, app, options) {
  const folder = join(app, 'native')
  const tests = listed(root, 'gpu-tests.txt', 'tests')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'gpu-tests.txt'), [...tests.keys(), ''].join('\n'))
  return [...tests].map(([name, from]) => {
    placeBinary(from, join(folder, name), options)
    return join(folder, name)
  })
}

/** Puts the native benches into `app/native/benches`, where suites look; returns the files. */
export function placeNativeBenches(root, app, options) {
  const source = join(root, 'native/build-cuda/benches')
  const names = existsSync(source) ? readdirSync(source) : []
  const sources = names.map((name) => join(source, name)).filter((file) => isElf(file))
  return sources.map((from) => {
    const to = join(app, 'native/benches', basename(from))
    placeBinary(from, to, options)
    return to
  })
}
