// Runs what @vattention/core tests on a GPU on a simulated one (native/simulated_cuda), under vitest.
// Where there is none (it needs Linux), everything is skipped, with the reason.
//
//   npm run test:simulated                    builds what it needs
//   npm run test:simulated -- -t graphs       only tests whose name contains this, as vitest does
import { join } from 'node:path'

import { root } from './bootstrap.mjs'
import { runVitest } from './vitest.mjs'

const passed = runVitest(
  'core',
  ['test/gpu.test.ts', '--outputFile.json', 'reports/simulated.json', ...process.argv.slice(2)],
  {
    LD_LIBRARY_PATH: join(root, 'native/build/simulated_cuda'),
    // On Linux a GPU that cannot be used is a failure here.
    ...(process.platform === 'linux' && { VATTENTION_TEST_DEVICE: 'cuda' }),
  },
)
process.exitCode = passed ? 0 : 1
