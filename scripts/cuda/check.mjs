// Compiles all of our own sources for CUDA (one GPU, one head dimension, one element type), without
// upstream's kernels and without linking: what continuous integration can check without a GPU.
//
//   npm run check:cuda
import { join } from 'node:path'

import { bootstrap, root } from '../bootstrap.mjs'
import { runMain, say } from '../progress.mjs'
import { buildCuda } from './build.mjs'
import { duration } from './ninja.mjs'
import { parseBuildOptions } from './options.mjs'

await runMain(async () => {
  const started = Date.now()
  const options = parseBuildOptions(['--arch', '90a', '--head-dims', '128', '--dtypes', 'bf16'])
  // A tree of its own: the other one keeps what was built last.
  const folder = join(root, 'native/build-cuda-check')
  const targets = ['vattention_cuda_check']
  await buildCuda(folder, targets, { ...options, check: true }, await bootstrap())
  say(`Our sources for CUDA compile. Took ${duration((Date.now() - started) / 1000)}.`)
})
