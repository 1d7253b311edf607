// Builds the addon of the package in the current folder: packages/<p>/addon.node. The target
// build:native of every package that has one runs this; the CMake tree stays, so builds are
// incremental.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

import { nativeEnvironment } from './bootstrap.mjs'
import { runMain, say } from './progress.mjs'

await runMain(async () => {
  const env = await nativeEnvironment()
  const build = join(process.cwd(), 'build')

  // CMake keeps what it found at first: another toolchain or cache folder needs a new tree.
  const version = (tool) => spawnSync(tool, ['--version'], { encoding: 'utf8', env }).stdout
  const toolchain = [
    version('cmake'),
    version(env.CXX || 'c++'),
    env.CXXFLAGS,
    env.VATTENTION_HIGHWAY_DIR,
    env.VATTENTION_ONEDNN_DIR,
    process.cwd(),
  ].join('\n')
  const stamp = join(build, 'toolchain.txt')
  if (existsSync(build) && !(existsSync(stamp) && readFileSync(stamp, 'utf8') === toolchain)) {
    say('Another toolchain than last time: building from scratch.')
    rmSync(build, { recursive: true })
  }
  mkdirSync(build, { recursive: true })
  writeFileSync(stamp, toolchain)

  const require = createRequire(import.meta.url)
  const manifest = require.resolve('cmake-js/package.json')
  const cmakeJs = join(dirname(manifest), require(manifest).bin['cmake-js'])
  const args = [cmakeJs, 'build', '--out', 'build', '--generator', 'Ninja', '--log-level', 'warn']
  if (process.env.VATTENTION_BUILD_JOBS) args.push('--parallel', process.env.VATTENTION_BUILD_JOBS)
  return spawnSync(process.execPath, args, { env, stdio: 'inherit' }).status ?? 1
})
