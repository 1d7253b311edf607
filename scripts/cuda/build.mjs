// Builds the addons that run on NVIDIA GPUs, on a machine with neither a CUDA toolkit nor a GPU:
// packages/<p>/addon.node, and packages/paged-attention/backend.node. The tree is native/build-cuda.
//
//   npm run build:cuda -- --help
import { existsSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { bootstrap, root } from '../bootstrap.mjs'
import { prepareBuildFolder } from '../build-folder.mjs'
import { cacheFolder } from '../cache-folder.mjs'
import { execute } from '../fetch.mjs'
import { BootstrapError, mebibytes, runMain, say } from '../progress.mjs'
import { cudaAddons } from './addons.mjs'
import { cudaEnvironment } from './environment.mjs'
import { duration, runNinja } from './ninja.mjs'
import { objectCacheHits, objectCacheLog } from './object-cache.mjs'
import { parseBuildOptions, usage } from './options.mjs'
import { availableMemory, checkResources, heavyBytes, lightBytes, planJobs } from './resources.mjs'

/** Targets of the tree, and the files that they leave. */
const products = {
  ...Object.fromEntries(
    Object.entries(cudaAddons).map(([name, file]) => [
      name,
      [`${name}_addon`, `packages/${name}/${file}`],
    ]),
  ),
  tests: ['gpu_tests'],
  benches: ['gpu_benches'],
  examples: ['own_engine', 'native/build-cuda/examples/own_engine'],
}

/** Backends that examples/own-engine-cuda is built with: one is enough, and what is built anyhow. */
function exampleBackends(targets) {
  const others = ['flash-attention-3', 'flashinfer'].filter((name) => targets.includes(name))
  return ['flash-attention-2', ...others].map((name) => name.replaceAll('-', '_'))
}

/** What CMake is told of Node's headers. */
function nodeHeaders() {
  const modules = join(root, 'node_modules')
  return `${join(modules, 'node-api-headers/include')};${join(modules, 'node-addon-api')}`
}

/** Configures a CUDA tree for what `options` name. */
async function configure(folder, { heavyJobs, check, ...options }, ccache, env) {
  const { status, text } = await execute(
    'cmake',
    [
      ...['-S', join(root, 'native'), '-B', folder, '-G', 'Ninja', '-Wno-dev'],
      ...['--log-level=WARNING', '-DCMAKE_BUILD_TYPE=Release', '-DVATTN_CUDA=ON'],
      `-DVATTN_CUDA_ARCHS=${options.archs.join(';')}`,
      `-DVATTN_CUDA_HEAD_DIMS=${options.headDims.join(';')}`,
      `-DVATTN_CUDA_DTYPES=${options.dtypes.join(';')}`,
      `-DVATTN_CUDA_SOFT_CAP=${options.softCap ? 'ON' : 'OFF'}`,
      `-DVATTN_CUDA_FP8=${options.fp8 ? 'ON' : 'OFF'}`,
      `-DVATTN_CUDA_CHECK=${check ? 'ON' : 'OFF'}`,
      `-DVATTN_CUDA_HEAVY_JOBS=${heavyJobs}`,
      `-DOWN_ENGINE_BACKENDS=${exampleBackends(options.targets).join(';')}`,
      `-DCMAKE_JS_INC=${nodeHeaders()}`,
      `-DCMAKE_CXX_COMPILER_LAUNCHER=${ccache}`,
      `-DCMAKE_CUDA_COMPILER_LAUNCHER=${ccache}`,
      // The object cache does better.
      '-DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON',
    ],
    env,
  )
  if (status !== 0) throw new BootstrapError(`CMake could not configure ${folder}:\n${text.trim()}`)
}

/**
 * Builds targets of a CUDA tree.
 *
 * @param {string} folder The tree.
 * @param {string[]} targets Of CMake.
 * @param {import('./options.mjs').BuildOptions & { check?: boolean }} options `check`: look for errors
 *   only, without making machine code. Default false.
 * @param {NodeJS.ProcessEnv} base That of native builds (scripts/bootstrap.mjs).
 */
export async function buildCuda(folder, targets, options, base) {
  const { env, ccache } = await cudaEnvironment(base)
  prepareBuildFolder(folder, env)
  const available = availableMemory()
  const { jobs, heavyJobs } = planJobs(options.jobs, available)
  const heavy = !options.check && options.targets.includes('flash-attention-3')
  checkResources({
    available,
    needed: heavy ? heavyBytes : lightBytes,
    folders: [folder, cacheFolder(env)],
  })
  await configure(folder, { check: false, ...options, heavyJobs }, ccache, env)
  const log = objectCacheLog(folder)
  rmSync(log.CCACHE_STATSLOG, { force: true })
  await runNinja({ folder, targets, jobs, env: { ...env, ...log } })
  const { hits, calls } = objectCacheHits(log.CCACHE_STATSLOG)
  if (calls > 0) say(`${hits} of ${calls} objects came from the cache (${env.CCACHE_DIR}).`)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await runMain(async () => {
    const started = Date.now()
    const options = parseBuildOptions(process.argv.slice(2))
    if (options.help) {
      console.log(usage)
      return 0
    }
    const folder = join(root, 'native/build-cuda')
    const wanted = options.targets.map((name) => products[name])
    say(`Building ${options.targets.join(', ')} for ${options.archs.join(', ')}`)
    await buildCuda(
      folder,
      wanted.map(([target]) => target),
      options,
      await bootstrap(),
    )
    for (const [, file] of wanted) {
      const path = file && join(root, file)
      if (path && existsSync(path)) say(`${file}: ${mebibytes(statSync(path).size)}`)
    }
    say(`Took ${duration((Date.now() - started) / 1000)}.`)
    return 0
  })
}
