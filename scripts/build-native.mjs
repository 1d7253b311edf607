// Builds the addon of the package in the current folder: packages/<p>/addon.node. The target
// build:native of every package that has one runs this; the CMake tree stays, so builds are
// incremental.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

import { nativeEnvironment } from './bootstrap.mjs'
import { prepareBuildFolder } from './build-folder.mjs'
import { runMain } from './progress.mjs'

await runMain(async () => {
  const env = await nativeEnvironment()
  prepareBuildFolder(join(process.cwd(), 'build'), env)
  const require = createRequire(import.meta.url)
  const manifest = require.resolve('cmake-js/package.json')
  const cmakeJs = join(dirname(manifest), require(manifest).bin['cmake-js'])
  const args = [cmakeJs, 'build', '--out', 'build', '--generator', 'Ninja', '--log-level', 'warn']
  return spawnSync(process.execPath, args, { env, stdio: 'inherit' }).status ?? 1
})
