// Formats, or checks the format of, everything in the tree: Prettier for what it knows, clang-format
// for C and C++.
//
//   npm run format                        everything
//   npm run format -- packages/core       only these files or folders
//   npm run format:check
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { bootstrap, root } from './bootstrap.mjs'
import { ensureArtifact } from './fetch.mjs'
import { runMain } from './progress.mjs'

const cxx = /\.(c|cc|h|cu|cuh)$/

/** C and C++ files that git knows or would add, so that build folders never count. */
function cxxFiles(paths) {
  const args = ['ls-files', '-z', '-co', '--exclude-standard', '--', ...paths]
  const { stdout } = spawnSync('git', args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 2 ** 20,
  })
  return stdout.split('\0').filter((file) => cxx.test(file) && existsSync(join(root, file)))
}

/** Returns whether `paths` (default: everything) are, or now are, formatted. */
export async function format(write, env, paths = ['.']) {
  const prettier = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/prettier/bin/prettier.cjs'),
      ...[write ? '--write' : '--check', '--log-level', 'warn'],
      ...['--cache', '--cache-location', join(root, 'node_modules/.cache/prettier/cache')],
      ...['--ignore-unknown', '--no-error-on-unmatched-pattern', ...paths],
    ],
    { cwd: root, env, stdio: 'inherit' },
  )
  const clangFormat = join(await ensureArtifact('clangFormat', { env }), 'clang-format')
  const files = cxxFiles(paths)
  const mode = write ? ['-i'] : ['--dry-run', '-Werror']
  const clang =
    files.length === 0
      ? { status: 0 }
      : spawnSync(clangFormat, [...mode, ...files], { cwd: root, env, stdio: 'inherit' })
  return prettier.status === 0 && clang.status === 0
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await runMain(async () => {
    const [mode, ...paths] = process.argv.slice(2)
    const ok = await format(mode === '--write', await bootstrap(), paths.length > 0 ? paths : ['.'])
    return ok ? 0 : 1
  })
}
