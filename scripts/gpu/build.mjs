// Brings up to date what needs no CUDA compiler: addons, and the native tests for a GPU.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

import { root } from '../bootstrap.mjs'
import { BootstrapError, say } from '../progress.mjs'

/** Builds them, incrementally. What `npm run build:cuda` makes is used as it is. */
export function buildGpuParts(env) {
  say('Building what has changed, but for the kernels of npm run build:cuda')
  const commands = [
    [process.execPath, join(root, 'scripts/build-native.mjs')],
    ['cmake', '--build', join(root, 'native/build'), '--target', 'gpu_tests'],
  ]
  for (const [program, ...args] of commands) {
    const { status } = spawnSync(program, args, { cwd: root, env, stdio: ['ignore', 2, 2] })
    if (status !== 0) throw new BootstrapError('The build failed: the reason is above.')
  }
}
