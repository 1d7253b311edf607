// Runs nx as every script here does: no daemon, plain output.  node scripts/nx.mjs run-many -t build
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { bootstrap, root } from './bootstrap.mjs'
import { runMain, withProgress } from './progress.mjs'

function command(args, env) {
  const { nx } = JSON.parse(readFileSync(join(root, 'node_modules/nx/package.json'), 'utf8')).bin
  return [
    process.execPath,
    [join(root, 'node_modules/nx', nx), ...args, '--outputStyle=static'],
    { cwd: root, env: { ...env, NX_DAEMON: 'false', NX_TUI: 'false' } },
  ]
}

/** Runs nx in the repository's root; returns its exit status. */
export function runNx(args, env = process.env) {
  const [program, programArgs, options] = command(args, env)
  return spawnSync(program, programArgs, { ...options, stdio: 'inherit' }).status ?? 1
}

/**
 * Runs nx with no more than a line of progress.
 *
 * @returns {Promise<{ status: number, output: string }>} `output` for when it failed.
 */
export async function runNxQuietly(args, env = process.env) {
  const [program, programArgs, options] = command(args, env)
  const started = Date.now()
  let output = ''
  let task = 'nx'
  const ended = new Promise((resolve, reject) => {
    const child = spawn(program, programArgs, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    const read = (data) => {
      output += data
      task = /> nx run (\S+)(?![\s\S]*> nx run)/.exec(String(data))?.[1] ?? task
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    child.on('error', reject)
    child.on('close', (status) => resolve({ status: status ?? 1, output }))
  })
  return withProgress(
    () => `${Math.round((Date.now() - started) / 1000)} s, last finished: ${task}`,
    ended,
  )
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await runMain(async () => runNx(process.argv.slice(2), await bootstrap()))
}
