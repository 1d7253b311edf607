// Runs what @vattention/core tests on a GPU on a simulated one (native/simulated_cuda), under vitest.
//
//   npm run test:simulated                    builds what it needs
//   npm run test:simulated -- -t graphs       only tests whose name contains this, as vitest does
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

import { root } from './bootstrap.mjs'

if (process.platform !== 'linux') {
  console.log('There is no simulated GPU on this system: tests are skipped.')
}
const manifest = createRequire(import.meta.url).resolve('vitest/package.json')
const vitest = join(dirname(manifest), 'vitest.mjs')
const { status } = spawnSync(
  process.execPath,
  [
    ...[vitest, 'run', 'test/gpu.test.ts', '--outputFile.json', 'reports/simulated.json'],
    ...process.argv.slice(2),
  ],
  {
    cwd: join(root, 'packages/core'),
    env: { ...process.env, LD_LIBRARY_PATH: join(root, 'native/build/simulated_cuda') },
    stdio: 'inherit',
  },
)
process.exitCode = status ?? 1
