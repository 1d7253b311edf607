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
  for (const [variable, artifact] of Object.entries(sources)) {
    await ensureArtifact(artifact, { env })
    result[variable] = artifactFolder(artifact, env)
  }
  const { stdout } = spawnSync(env.CXX || 'c++', ['--version'], { encoding: 'utf8', env })
  const compilers = `${artifacts.cudaToolkit.folder} ${stdout.split('\n')[0]}`
  return {
    env: { ...result, ...objectCacheEnvironment({ env, root, compilers }) },
    ccache,
  }
}
