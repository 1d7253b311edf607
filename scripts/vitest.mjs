// Vitest in a package, for scripts that run some of its tests in an environment of their own.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

import { root } from './bootstrap.mjs'

/**
 * Runs `vitest run` in `packages/<name>`.
 *
 * @param {string} name
 * @param {readonly string[]} args
 * @param {Readonly<Record<string, string>>} more  environment, beside this process's own
 * @returns whether all passed
 */
export function runVitest(name, args, more) {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const { status } = spawnSync(process.execPath, [vitest, 'run', ...args], {
    cwd: join(root, 'packages', name),
    env: { ...process.env, ...more },
    stdio: 'inherit',
  })
  return status === 0
}
