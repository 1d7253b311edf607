// `npm run test:gpu`: runs everything that needs a GPU, out of this tree; scripts/gpu/README.md says
// what belongs to it. Where there is no GPU, everything is skipped, with the reason.
//
//   npm run test:gpu                          all of it
//   npm run test:gpu -- flash-attention-2     cases that contain this (more options: --help)
//   npm run test:gpu -- --no-build            with what is built
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

import { bootstrap, root } from './bootstrap.mjs'
import { buildGpuParts } from './gpu/build.mjs'
import { runMain } from './progress.mjs'

await runMain(async () => {
  const args = process.argv.slice(2).filter((arg) => arg !== '--no-build')
  if (!process.argv.includes('--no-build')) buildGpuParts(await bootstrap())
  const { stageTree } = await import('./gpu/stage.mjs') // needs the npm packages
  const app = join(root, 'build/gpu-test')
  await stageTree(root, app)
  const test = join(app, 'runtime/test.mjs')
  return spawnSync(process.execPath, [test, ...args], { stdio: 'inherit' }).status ?? 1
})
