import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { say } from './progress.mjs'

/** Set for trees with CUDA only (scripts/cuda/environment.mjs). */
const cudaVariables = [
  'CUDACXX',
  'CUDAHOSTCXX',
  'VATTENTION_FLASH_ATTENTION_DIR',
  'VATTENTION_FLASHINFER_DIR',
  'VATTENTION_CURAND_DIR',
  'VATTENTION_VLLM_DIR',
]

/**
 * Makes sure that a CMake tree may be built on. CMake keeps what it found at first, so another
 * toolchain, cache folder or place of the tree needs a new one.
 */
export function prepareBuildFolder(folder, env) {
  const version = (tool) => spawnSync(tool, ['--version'], { encoding: 'utf8', env }).stdout
  const toolchain = [
    version('cmake'),
    version(env.CXX || 'c++'),
    env.CXXFLAGS,
    env.VATTENTION_HIGHWAY_DIR,
    env.VATTENTION_ONEDNN_DIR,
    ...cudaVariables.filter((name) => env[name]).map((name) => env[name]),
    folder,
  ].join('\n')
  const stamp = join(folder, 'toolchain.txt')
  if (existsSync(folder) && !(existsSync(stamp) && readFileSync(stamp, 'utf8') === toolchain)) {
    say(`Another toolchain than last time: ${folder} starts from scratch.`)
    rmSync(folder, { recursive: true })
  }
  mkdirSync(folder, { recursive: true })
  writeFileSync(stamp, toolchain)
}
