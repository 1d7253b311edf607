import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

import { artifactFolder, artifacts } from '../artifacts.mjs'
import { root } from '../bootstrap.mjs'
import { ensureArtifact } from '../fetch.mjs'
import { BootstrapError } from '../progress.mjs'
import { objectCacheEnvironment } from './object-cache.mjs'

/** Where CMake finds what was fetched: variable and artifact. */
const sources = {
  VATTENTION_FLASH_ATTENTION_DIR: 'flashAttention',
  VATTENTION_FLASHINFER_DIR: 'flashinfer',
  VATTENTION_CURAND_DIR: 'curand',
  VATTENTION_VLLM_DIR: 'vllm',
}

/** What a compiler calls itself, with its version. */
function firstLine(compiler, env) {
  return spawnSync(compiler, ['--version'], { encoding: 'utf8', env }).stdout.split('\n')[0]
}

/**
 * The environment of CUDA builds: compiler, kernels' sources and object cache. Fetches what is missing.
 *
 * @param {NodeJS.ProcessEnv} env That of native builds (scripts/bootstrap.mjs).
 * @returns {Promise<{ env: NodeJS.ProcessEnv, ccache: string }>} `ccache`: the program.
 */
export async function cudaEnvironment(env) {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new BootstrapError(
      `CUDA builds need Linux on x64, found ${process.platform} on ${process.arch}.`,
    )
  }
  const ccache = join(await ensureArtifact('ccache', { env }), 'ccache')
  const toolkit = await ensureArtifact('cudaToolkit', { env })
  const result = { ...env, CUDACXX: join(toolkit, 'bin/nvcc') }
  // Flags that neither CMake nor the object cache would know of.
  for (const name of ['NVCC_PREPEND_FLAGS', 'NVCC_APPEND_FLAGS', 'NVCC_CCBIN']) delete result[name]
  if (env.CXX) result.CUDAHOSTCXX ??= env.CXX
  for (const [variable, artifact] of Object.entries(sources)) {
    await ensureArtifact(artifact, { env })
    result[variable] = artifactFolder(artifact, env)
  }
  const hosts = new Set([
    firstLine(env.CXX || 'c++', env),
    firstLine(result.CUDAHOSTCXX || 'c++', env),
  ])
  const compilers = [artifacts.cudaToolkit.folder, ...hosts].join(' ')
  return {
    env: { ...result, ...objectCacheEnvironment({ env, root, compilers }) },
    ccache,
  }
}
