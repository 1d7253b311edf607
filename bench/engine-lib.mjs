// What the engine's benchmarks share: the model, the machine, results, and node-llama-cpp, which is
// installed on demand beside the other downloads and never a dependency.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { modelFile } from '../scripts/artifacts.mjs'
import { cacheFolder } from '../scripts/cache-folder.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const llamaVersion = '3.22.1'

/** Path of the GGUF file that both sides run. */
export function benchModel() {
  const path = modelFile()
  if (!existsSync(path)) throw new Error(`${path} is missing: run "npm run bootstrap" first.`)
  return path
}

/** Median of some numbers. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Value of `--name value` on the command line. */
export function option(name, fallback) {
  const index = process.argv.indexOf(`--${name}`)
  return index < 0 ? fallback : process.argv[index + 1]
}

/** Real text to make prompts of: the licence, about 2,300 tokens. */
export const sampleText = () => readFileSync(join(root, 'LICENSE'), 'utf8').replace(/\s+/g, ' ')

/** Imports node-llama-cpp, installing it first if need be. */
export async function importLlama() {
  const folder = join(cacheFolder(), `node-llama-cpp-${llamaVersion}`)
  const entry = join(folder, 'node_modules/node-llama-cpp/dist/index.js')
  if (!existsSync(entry)) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
    const platform = `${process.platform}-${process.arch}`
    console.error(`Installing node-llama-cpp ${llamaVersion} into ${folder} ...`)
    // Without the optional packages, which are mostly GPU builds; the CPU build is named.
    const install = ['install', '--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund']
    const packages = [
      `node-llama-cpp@${llamaVersion}`,
      `@node-llama-cpp/${platform}@${llamaVersion}`,
    ]
    const { status } = spawnSync('npm', [...install, ...packages], {
      cwd: folder,
      stdio: 'inherit',
    })
    if (status !== 0) throw new Error('npm could not install node-llama-cpp: is there a network?')
  }
  return import(pathToFileURL(entry).href)
}

/** What a result was measured with: a GPU bundle says so itself. */
function describeCommit() {
  const { VATTENTION_COMMIT: commit } = process.env
  if (commit) return commit
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root }).toString().trim()
  } catch {
    return 'unknown' // not a clone
  }
}

/** Machine and versions, for results. */
export function environment() {
  const [{ model }] = cpus()
  const isa = existsSync('/proc/cpuinfo')
    ? ['avx2', 'avx512f', 'avx512_bf16', 'amx_bf16'].filter((flag) =>
        readFileSync('/proc/cpuinfo', 'utf8').includes(` ${flag} `),
      )
    : []
  return {
    date: new Date().toISOString(),
    machine: {
      cpu: model,
      cores: cpus().length,
      isa,
      memoryBytes: totalmem(),
      // What else runs: a result at a load above its own threads says little.
      loadAverage: loadavg(),
      system: `${process.platform} ${release()}`,
    },
    versions: { commit: describeCommit(), node: process.version, nodeLlamaCpp: llamaVersion },
    model: basename(modelFile()),
  }
}

/** Runs this script again for one side, alone on the machine, and returns what it printed as JSON. */
export function runSide(script, side, extra = []) {
  const { status, stdout } = spawnSync(
    process.execPath,
    [fileURLToPath(script), '--side', side, ...extra],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 2 ** 28 },
  )
  if (status !== 0) throw new Error(`${side} failed with exit code ${status}`)
  // Libraries may write to stdout too: the result is the last line.
  return JSON.parse(stdout.trim().split('\n').at(-1))
}

/** Writes `bench/results/<name>.json`, or into the folder `$VATTENTION_RESULTS_DIR`. */
export function writeResult(name, result) {
  const folder = process.env.VATTENTION_RESULTS_DIR || join(root, 'bench/results')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `${name}.json`)
  writeFileSync(path, `${JSON.stringify({ ...environment(), ...result }, null, 2)}\n`)
  console.log(`\nWritten to ${path}`)
}

/** Our side: engine, cache and backend over the benchmark's model. */
export async function openVattention({
  kind = 'contiguous',
  maxSequences = 32,
  limitBytes = 2 ** 30,
  ...engineOptions
} = {}) {
  const { Engine, kvCacheShape, loadModel } = await import('@vattention/engine')
  const { ContiguousKvCache } = await import('@vattention/core')
  const { PagedKvCache } = await import('@vattention/paged-attention')
  const { CpuBackend } = await import('@vattention/cpu')
  const model = await loadModel(benchModel())
  const { valueHeadDim: _, ...shape } = kvCacheShape(model.description, {
    maxSequences,
    maxLength: 2048,
  })
  const Cache = kind === 'paged' ? PagedKvCache : ContiguousKvCache
  const cache = new Cache({ ...shape, limitBytes })
  const backend = new CpuBackend()
  const engine = await Engine.create({ model, cache, backend, ...engineOptions })
  const close = async () => {
    await engine.dispose()
    cache[Symbol.dispose]()
    backend[Symbol.dispose]()
    model.dispose()
  }
  return { engine, model, cache, close }
}
