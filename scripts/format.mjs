// Formats, or checks the format of, everything in the tree: Prettier for what it knows, clang-format
// for C and C++.  node scripts/format.mjs --write | --check
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { bootstrap, root } from './bootstrap.mjs'
import { ensureArtifact } from './fetch.mjs'
import { runMain } from './progress.mjs'

const cxx = /\.(c|cc|h|cu|cuh)$/

/** Files that git knows or would add, so that build folders never count. */
function sources() {
  const { stdout } = spawnSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 2 ** 20,
  })
  return stdout.split('\0').filter((file) => cxx.test(file))
}

/** Returns whether all is, or now is, formatted. */
export async function format(write, env) {
  const prettier = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/prettier/bin/prettier.cjs'),
      ...[write ? '--write' : '--check', '--log-level', 'warn'],
      ...['--cache', '--cache-location', join(root, 'node_modules/.cache/prettier/cache')],
      '.',
    ],
    { cwd: root, env, stdio: 'inherit' },
  )
  const clangFormat = join(await ensureArtifact('clangFormat', { env }), 'clang-format')
  const files = sources()
  const mode = write ? ['-i'] : ['--dry-run', '-Werror']
  const clang =
    files.length === 0
      ? { status: 0 }
      : spawnSync(clangFormat, [...mode, ...files], { cwd: root, env, stdio: 'inherit' })
  return prettier.status === 0 && clang.status === 0
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await runMain(async () => {
    const write = process.argv.includes('--write')
    return (await format(write, await bootstrap())) ? 0 : 1
  })
}
