// What a pass costs the JavaScript thread: `prepare` for 256 decoding sequences, then `run` with new
// keys and values for each of 32 layers; the same as `prepare` and the replay of a graph; and the
// same calls from C++ (bench/native/launch_cuda.cc), for the difference.
//
//   npm run build && node bench/gpu/overhead.mjs [--quick]
import { slice } from '@vattention/interface'

import { openBackends } from './lib/backends.mjs'
import { atMost } from './lib/bars.mjs'
import { runBench } from './lib/bench.mjs'
import { printTable } from './lib/figures.mjs'
import { FilledCache } from './lib/filled-cache.mjs'
import { llama } from './lib/formulas.mjs'
import { Noise } from './lib/noise.mjs'
import { read } from './lib/options.mjs'
import { runNativeBench } from './lib/native-bench.mjs'
import { latencies, median, shuffled, summarize } from './lib/statistics.mjs'

/** Short: the GPU is not to be what is waited for. */
const length = 64
/**
 * Passes of one kind come in blocks, as a server runs one backend: when kinds alternate, each finds the
 * processor's caches full of the others' code, and `prepare` takes three times as long.
 */
const block = 20
const warmUp = 10

const microseconds = (from, to) => Number(to - from) / 1000

/** Everything that a pass of one backend needs. */
class Pass {
  #query
  #output
  #key
  #plan
  #batch
  #graph

  constructor(gpu, backend, filled, tensors) {
    const { cache, handles, sequences, model } = filled
    const { query, output, newRows } = tensors
    this.layers = model.layers
    this.gpu = gpu
    this.#query = slice(query, 0, sequences)
    this.#output = slice(output, 0, sequences)
    this.#key = slice(newRows, 0, sequences)
    this.#batch = {
      cache,
      sequences: handles,
      queryLengths: new Uint32Array(sequences).fill(1),
      kvLengths: new Uint32Array(sequences).fill(length),
      ...(gpu.stream && { stream: gpu.stream }),
    }
    this.config = { cache, queryHeads: model.queryHeads, dtype: model.dtype }
    this.limits = { maxSequences: sequences, maxTokens: sequences, maxLength: length }
    this.#plan = backend.createPlan(this.config, this.limits)
    this.backend = backend
  }

  #runLayers(plan) {
    const [query, output, key, value] = [this.#query, this.#output, this.#key, this.#key]
    for (let layer = 0; layer < this.layers; layer++) plan.run({ layer, query, key, value, output })
  }

  /** One pass: what the calls took. */
  async time() {
    const begun = process.hrtime.bigint()
    this.#plan.prepare(this.#batch)
    const prepared = process.hrtime.bigint()
    this.#runLayers(this.#plan)
    const ended = process.hrtime.bigint()
    // Launches must not wait for room in the stream's queue.
    await this.gpu.synchronize()
    return { prepareUs: microseconds(begun, prepared), runUs: microseconds(prepared, ended) }
  }

  /** Captures the layers of a plan that is made for it. */
  async capture() {
    const graph = { sequences: this.limits.maxSequences, maxLength: length }
    const plan = this.backend.createPlan(this.config, { ...this.limits, graph })
    plan.prepare(this.#batch)
    // What is done once, at the first launch, is no part of a graph.
    this.#runLayers(plan)
    await this.gpu.synchronize()
    plan.prepare(this.#batch)
    const captured = this.gpu.capture(() => this.#runLayers(plan))
    this.#graph = { plan, captured }
  }

  async timeGraph() {
    const { plan, captured } = this.#graph
    const begun = process.hrtime.bigint()
    plan.prepare(this.#batch)
    const prepared = process.hrtime.bigint()
    captured.replay(this.gpu.stream)
    const ended = process.hrtime.bigint()
    await this.gpu.synchronize()
    return { prepareUs: microseconds(begun, prepared), replayUs: microseconds(prepared, ended) }
  }

  dispose() {
    this.#graph?.captured[Symbol.dispose]()
    this.#graph?.plan[Symbol.dispose]()
    this.#plan[Symbol.dispose]()
  }
}

/** The same calls from C++; several processes, around what is measured here. */
function fromNative(passes, seed, gpu, result) {
  if (!gpu.isGpu) return []
  try {
    const args = ['--what', 'cpu', '--passes', passes, '--seed', seed]
    const { cpu, skipped } = runNativeBench('launch_cuda', args)
    for (const { case: name, reason } of skipped) result.skip(`C++: ${name}`, reason)
    return cpu
  } catch (error) {
    result.skip('the same calls from C++', error)
    return []
  }
}

/** What `time` gives for the passes of a block. */
async function timeBlock(time) {
  const samples = []
  for (let i = -warmUp; i < block; i++) {
    const sample = await time()
    if (i >= 0) samples.push(sample)
  }
  return samples
}

const sum = (samples, ...keys) => samples.map((one) => keys.reduce((all, key) => all + one[key], 0))

async function run({ gpu, options, result, random }) {
  const small = { ...llama, layers: 2, queryHeads: 8, kvHeads: 2, headDim: 64 }
  const model = gpu.isGpu ? llama : small
  const sequences = gpu.isGpu ? 256 : 4
  const { headDim, dtype, kvHeads, queryHeads } = model
  const names = ['flash-attention-2', 'flash-attention-3', 'flashinfer', 'paged-attention']
  const backends = await openBackends(gpu, names, result)
  const noise = new Noise(gpu, { rows: 4096, heads: kvHeads, headDim, dtype, random })
  const tensors = {
    query: gpu.tensor(dtype, [sequences, queryHeads, headDim]),
    output: gpu.tensor(dtype, [sequences, queryHeads, headDim]),
    newRows: gpu.tensor(dtype, [sequences, kvHeads, headDim]),
  }
  const before = fromNative(options.passes, options.seed, gpu, result)

  const passes = new Map()
  const caches = []
  for (const [name, backend] of backends) {
    const published = { blockTokens: 16, poolLayout: 'paged-attention' }
    const kind = name === 'paged-attention' ? published : { layout: 'interleaved' }
    try {
      const about = { model, sequences, length, random, ...kind }
      const filled = new FilledCache(gpu, about, [backend], noise)
      caches.push(filled)
      passes.set(name, new Pass(gpu, backend, filled, tensors))
    } catch (error) {
      result.skip(name, error)
    }
  }
  const graphs = new Set()
  for (const [name, pass] of passes) {
    if (!gpu.isGpu) break
    try {
      await pass.capture()
      graphs.add(name)
    } catch (error) {
      result.skip(`${name} as a graph`, error)
    }
  }
  const samples = Object.fromEntries([...passes.keys()].map((name) => [name, []]))
  const graphSamples = Object.fromEntries([...graphs].map((name) => [name, []]))
  for (let round = 0; round * block < options.passes; round++) {
    for (const name of shuffled([...passes.keys()], random)) {
      samples[name].push(...(await timeBlock(() => passes.get(name).time())))
      if (!graphs.has(name)) continue
      graphSamples[name].push(...(await timeBlock(() => passes.get(name).timeGraph())))
    }
  }
  const after = fromNative(options.passes, options.seed, gpu, result)

  const table = []
  for (const name of passes.keys()) {
    const total = sum(samples[name], 'prepareUs', 'runUs')
    const native = [...before, ...after].filter(({ backend }) => backend === name)
    const nativeTotal = native.flatMap(({ prepareUs, runUs }) =>
      prepareUs.map((us, i) => us + runUs[i]),
    )
    const graphTotal = graphs.has(name) ? sum(graphSamples[name], 'prepareUs', 'replayUs') : []
    const replay = graphs.has(name) ? sum(graphSamples[name], 'replayUs') : []
    const all = summarize(total, random)
    const us = { unit: 'us' }
    result.cases.push({
      backend: name,
      sequences,
      length,
      layers: model.layers,
      samples: { ...columnsOf(samples[name]), graph: columnsOf(graphSamples[name] ?? []) },
      native,
      summary: {
        prepareUs: summarize(sum(samples[name], 'prepareUs'), random),
        runUs: summarize(sum(samples[name], 'runUs'), random),
        totalUs: { ...all, ...latencies(total) },
        ...(nativeTotal.length > 0 && { nativeTotalUs: summarize(nativeTotal, random) }),
        ...(graphTotal.length > 0 && {
          graphTotalUs: summarize(graphTotal, random),
          replayUs: summarize(replay, random),
        }),
      },
    })
    const beyond = nativeTotal.length > 0 ? all.median - median(nativeTotal) : NaN
    if (gpu.isGpu) {
      const pass = `${name}: prepare and ${model.layers} runs`
      result.bars.push(atMost(pass, all, 700, us))
      result.bars.push(atMost(`${pass}, beyond C++`, beyond, 200, us))
      const graph = graphTotal.length > 0 ? summarize(graphTotal, random) : undefined
      result.bars.push(atMost(`${name}: prepare and a graph's replay`, graph, 100, us))
    }
    table.push({
      backend: name,
      prepare: median(sum(samples[name], 'prepareUs')),
      runs: median(sum(samples[name], 'runUs')),
      total: all.median,
      p99: latencies(total).p99,
      'C++': nativeTotal.length > 0 ? median(nativeTotal) : null,
      graph: graphTotal.length > 0 ? median(graphTotal) : null,
      replay: replay.length > 0 ? median(replay) : null,
    })
  }
  printTable(
    `Microseconds of the calling thread, ${sequences} sequences, ${model.layers} layers`,
    table,
  )
  for (const pass of passes.values()) pass.dispose()
  for (const cache of caches) await cache.dispose()
}

/** Samples as columns. */
function columnsOf(samples) {
  const keys = Object.keys(samples[0] ?? {})
  return Object.fromEntries(keys.map((key) => [key, samples.map((one) => one[key])]))
}

await runBench({
  name: 'overhead',
  kind: 'kernel',
  about: "The calling thread's time for a pass: from JavaScript, as a graph, and from C++.",
  options: {
    passes: {
      value: 'N',
      about: 'passes that are measured, default 300',
      read: read.count,
      default: 300,
      quick: 60,
    },
  },
  describe: ({ passes }) => ({
    protocol: {
      timer: 'the host around the calls; the stream is empty when they begin',
      order: `blocks of ${block} passes of one backend, as calls or as a graph; blocks shuffled`,
      warmUp: `${warmUp} passes before each block`,
      native: 'a process before and one after; medians of both together',
      waits: 'the calling thread sleeps until the stream is empty, in JavaScript and in C++ alike',
      passes,
    },
    workload: {
      model: llama.name,
      sequences: 256,
      tokensEach: length,
      newTokens: 1,
      layers: llama.layers,
      append: true,
    },
  }),
  run,
})
