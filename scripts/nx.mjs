// Runs nx as every script here does: no daemon, plain output.  node scripts/nx.mjs run-many -t build
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { bootstrap, root } from './bootstrap.mjs'
import { runMain } from './progress.mjs'

/** Runs nx in the repository's root; returns its exit status. */
export function runNx(args, env = process.env) {
  const { nx } = JSON.parse(readFileSync(join(root, 'node_modules/nx/package.json'), 'utf8')).bin
  const { status } = spawnSync(
    process.execPath,
    [join(root, 'node_modules/nx', nx), ...args, '--outputStyle=static'],
    { cwd: root, env: { ...env, NX_DAEMON: 'false', NX_TUI: 'false' }, stdio: 'inherit' },
  )
  return status ?? 1
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await runMain(async () => runNx(process.argv.slice(2), await bootstrap()))
}
