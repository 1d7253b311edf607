// Attention on the CPU, measured through the packages' public interface:
//
//   decode    bandwidth over 1 GB of KV with 2 threads: contiguous split (the CPU's default) and
//             interleaved, paged with blocks of 16 in both pool layouts, and the machine's own
//             sequential read bandwidth. One process; every round measures each of them once, in
//             an order of its own; medians of ratios within rounds with bootstrap 95 % intervals
//   prefill   floating point operations per second of one prompt
//   plan.run  what a call from JavaScript costs beyond the kernel
//
//   npm run build && node bench/cpu-attention.mjs [--rounds 40] [--json bench/results/x.json]
//                                                 [--only decode|prefill|overhead]
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'

import { ContiguousKvCache, hostTensor, write } from '@vattention/core'
import { createCpuBackend } from '@vattention/cpu'
import { slice } from '@vattention/interface'
import { PagedKvCache } from '@vattention/paged-attention'

const root = fileURLToPath(new URL('..', import.meta.url))
const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? fallback : process.argv[at + 1]
}
const rounds = Number(option('rounds', '40'))
const only = option('only', undefined)
const threads = 2
const seed = 20240507

/** A small generator of numbers in [0, 1), so that orders and resamples can be repeated. */
function mulberry32(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
const random = mulberry32(seed)

function shuffled(values) {
  const out = [...values]
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[out[i], out[j]] = [out[j], out[i]]
  }
  return out
}

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Median with a bootstrap 95 % interval. */
function summary(values, resamples = 4000) {
  const medians = Array.from({ length: resamples }, () =>
    median(Array.from(values, () => values[Math.floor(random() * values.length)])),
  ).sort((a, b) => a - b)
  const at = (share) => medians[Math.floor(share * (resamples - 1))]
  return { median: median(values), low: at(0.025), high: at(0.975) }
}

const rounded = (value) => Number(value.toPrecision(4))
const roundedSummary = (values) =>
  Object.fromEntries(Object.entries(summary(values)).map(([key, value]) => [key, rounded(value)]))

// --- The machine's read bandwidth: memchr over memory that holds no such byte, in `threads` workers.

/** Workers that read their part of one buffer when told to. */
async function makeReaders(bytes) {
  const shared = new SharedArrayBuffer(bytes)
  new Uint8Array(shared).fill(1)
  const control = new Int32Array(new SharedArrayBuffer(8)) // round, readers that are done
  const source = `
    const { workerData } = require('node:worker_threads')
    const { shared, control, from, to } = workerData
    const part = Buffer.from(shared, from, to - from)
    for (let round = 0; ; round++) {
      Atomics.wait(control, 0, round)
      if (Atomics.load(control, 0) < 0) break
      if (part.indexOf(7) !== -1) throw new Error('memory changed')
      Atomics.add(control, 1, 1)
      Atomics.notify(control, 1)
    }`
  const workers = Array.from({ length: threads }, (_, i) => {
    const workerData = {
      shared,
      control,
      from: Math.floor((bytes * i) / threads),
      to: Math.floor((bytes * (i + 1)) / threads),
    }
    return new Worker(source, { eval: true, workerData })
  })
  await Promise.all(workers.map((worker) => new Promise((done) => worker.once('online', done))))
  return {
    /** Seconds to read all of it. */
    read() {
      Atomics.store(control, 1, 0)
      const start = process.hrtime.bigint()
      Atomics.add(control, 0, 1)
      Atomics.notify(control, 0)
      for (let done = 0; done < threads; done = Atomics.load(control, 1)) {
        Atomics.wait(control, 1, done)
      }
      return Number(process.hrtime.bigint() - start) / 1e9
    },
    async end() {
      Atomics.store(control, 0, -1)
      Atomics.notify(control, 0)
      await Promise.all(workers.map((worker) => worker.terminate()))
    },
  }
}

// --- Decode.

const models = {
  'smollm2-135m': { layers: 30, queryHeads: 9, kvHeads: 3, headDim: 64 },
  'llama-3-8b': { layers: 32, queryHeads: 32, kvHeads: 8, headDim: 128 },
}

const variants = {
  'contiguous split': (options) => new ContiguousKvCache({ ...options, layout: 'split' }),
  'contiguous interleaved': (options) =>
    new ContiguousKvCache({ ...options, layout: 'interleaved' }),
  'paged 16': (options) => new PagedKvCache({ ...options, blockTokens: 16, prefixCache: false }),
  'paged 16, PagedAttention layout': (options) =>
    new PagedKvCache({
      ...options,
      blockTokens: 16,
      poolLayout: 'paged-attention',
      prefixCache: false,
    }),
}

const dtype = 'bfloat16'

function noise(shape) {
  const tensor = hostTensor(dtype, shape)
  const count = shape.reduce((product, size) => product * size, 1)
  write(
    tensor,
    Float32Array.from({ length: count }, () => random() * 2 - 1),
  )
  return tensor
}

/** A cache filled with `sequences` x `length` tokens, and a plan that decodes one token of each. */
function makeDecode(backend, model, sequences, length, make) {
  const { layers, queryHeads, kvHeads, headDim } = model
  const bytesPerToken = layers * kvHeads * headDim * 2 * 2
  const cache = make({
    layers,
    kvHeads,
    headDim,
    dtype,
    maxSequences: sequences,
    maxLength: length,
    limitBytes: Math.ceil(bytesPerToken * length * sequences * 1.15) + 512 * 2 ** 20,
  })
  const handles = Uint32Array.from({ length: sequences }, () => cache.allocate().sequence)
  const config = { cache, queryHeads, dtype }
  const chunk = 256
  const filler = backend.createPlan(config, {
    maxSequences: sequences,
    maxTokens: chunk * sequences,
    maxLength: length,
  })
  const key = noise([chunk * sequences, kvHeads, headDim])
  const value = noise([chunk * sequences, kvHeads, headDim])
  for (let at = 0; at < length; at += chunk) {
    const tokens = Math.min(chunk, length - at)
    const kvLengths = new Uint32Array(sequences).fill(at + tokens)
    const result = cache.step(handles, kvLengths)
    if (result.status !== 'ok')
      throw new Error(`no memory for the cache: ${JSON.stringify(result)}`)
    filler.prepare({
      cache,
      sequences: handles,
      queryLengths: new Uint32Array(sequences).fill(tokens),
      kvLengths,
    })
    for (let layer = 0; layer < layers; layer++) {
      filler.append({
        layer,
        key: slice(key, 0, tokens * sequences),
        value: slice(value, 0, tokens * sequences),
      })
    }
  }
  filler[Symbol.dispose]()
  const plan = backend.createPlan(config, {
    maxSequences: sequences,
    maxTokens: sequences,
    maxLength: length,
  })
  plan.prepare({
    cache,
    sequences: handles,
    queryLengths: new Uint32Array(sequences).fill(1),
    kvLengths: new Uint32Array(sequences).fill(length),
  })
  const query = noise([sequences, queryHeads, headDim])
  const output = hostTensor(dtype, [sequences, queryHeads, headDim])
  return {
    bytes: bytesPerToken * length * sequences,
    /** Seconds of one pass through all layers. */
    pass() {
      const start = process.hrtime.bigint()
      for (let layer = 0; layer < layers; layer++) plan.run({ layer, query, output })
      return Number(process.hrtime.bigint() - start) / 1e9
    },
    end() {
      plan[Symbol.dispose]()
      cache[Symbol.dispose]()
    },
  }
}

async function benchDecode(backend, name, sequences, length) {
  const model = models[name]
  const subjects = Object.fromEntries(
    Object.entries(variants).map(([variant, make]) => [
      variant,
      makeDecode(backend, model, sequences, length, make),
    ]),
  )
  const { bytes } = subjects['paged 16']
  const readers = await makeReaders(2 ** 30)
  const measures = {
    'sequential read': () => 2 ** 30 / readers.read() / 1e9,
    ...Object.fromEntries(
      Object.entries(subjects).map(([variant, subject]) => [
        variant,
        () => bytes / subject.pass() / 1e9,
      ]),
    ),
  }
  const samples = Object.fromEntries(Object.keys(measures).map((key) => [key, []]))
  for (const key of Object.keys(measures)) for (let i = 0; i < 2; i++) measures[key]() // warm-up
  for (let round = 0; round < rounds; round++) {
    for (const key of shuffled(Object.keys(measures))) samples[key].push(measures[key]())
  }
  await readers.end()
  for (const subject of Object.values(subjects)) subject.end()
  const ratio = (a, b) => roundedSummary(samples[a].map((value, i) => value / samples[b][i]))
  const ratios = {
    'split / sequential read': ratio('contiguous split', 'sequential read'),
    'split / paged 16': ratio('contiguous split', 'paged 16'),
    'interleaved / split': ratio('contiguous interleaved', 'contiguous split'),
    'paged 16, PagedAttention layout / paged 16': ratio(
      'paged 16, PagedAttention layout',
      'paged 16',
    ),
  }
  return {
    model: name,
    ...model,
    dtype,
    sequences,
    length,
    kvBytes: bytes,
    threads,
    rounds,
    gbPerSecond: Object.fromEntries(
      Object.entries(samples).map(([key, values]) => [key, roundedSummary(values)]),
    ),
    ratios,
    samplesGbPerSecond: Object.fromEntries(
      Object.entries(samples).map(([key, values]) => [key, values.map(rounded)]),
    ),
  }
}

// --- Prefill.

function benchPrefill(backend, name, tokens) {
  const { queryHeads, kvHeads, headDim } = models[name]
  const cache = new ContiguousKvCache({
    layers: 1,
    kvHeads,
    headDim,
    dtype,
    maxSequences: 1,
    maxLength: tokens,
    limitBytes: 256 * 2 ** 20,
  })
  const sequences = Uint32Array.of(cache.allocate().sequence)
  const lengths = Uint32Array.of(tokens)
  cache.step(sequences, lengths)
  const plan = backend.createPlan(
    { cache, queryHeads, dtype },
    { maxSequences: 1, maxTokens: tokens, maxLength: tokens },
  )
  plan.prepare({ cache, sequences, queryLengths: lengths, kvLengths: lengths })
  const args = {
    layer: 0,
    query: noise([tokens, queryHeads, headDim]),
    key: noise([tokens, kvHeads, headDim]),
    value: noise([tokens, kvHeads, headDim]),
    output: hostTensor(dtype, [tokens, queryHeads, headDim]),
  }
  // Two multiplications and two additions for each element of the head dim and visible key.
  const operations = 4 * queryHeads * headDim * ((tokens * (tokens + 1)) / 2)
  const samples = []
  for (let i = 0; i < rounds + 3; i++) {
    const start = process.hrtime.bigint()
    plan.run(args)
    const seconds = Number(process.hrtime.bigint() - start) / 1e9
    if (i >= 3) samples.push(operations / seconds / 1e9)
  }
  plan[Symbol.dispose]()
  cache[Symbol.dispose]()
  return {
    model: name,
    tokens,
    dtype,
    threads,
    gflopPerSecond: roundedSummary(samples),
    samplesGflopPerSecond: samples.map(rounded),
  }
}

// --- What a call costs: batches whose sequences have no new tokens leave the kernel nothing to do.

function benchOverhead(backend, count) {
  const { queryHeads, kvHeads, headDim } = models['smollm2-135m']
  const cache = new ContiguousKvCache({
    layers: 1,
    kvHeads,
    headDim,
    dtype,
    maxSequences: count,
    maxLength: 512,
    limitBytes: 256 * 2 ** 20,
  })
  const sequences = Uint32Array.from({ length: count }, () => cache.allocate().sequence)
  const kvLengths = new Uint32Array(count).fill(16)
  cache.step(sequences, kvLengths)
  const plan = backend.createPlan(
    { cache, queryHeads, dtype, needsLse: true },
    { maxSequences: count, maxTokens: count, maxLength: 512 },
  )
  plan.prepare({ cache, sequences, queryLengths: new Uint32Array(count), kvLengths })
  const empty = (tensor) => slice(tensor, 0, 0)
  const query = empty(noise([1, queryHeads, headDim]))
  const key = empty(noise([1, kvHeads, headDim]))
  const value = empty(noise([1, kvHeads, headDim]))
  const output = empty(noise([1, queryHeads, headDim]))
  const lse = empty(hostTensor('float32', [1, queryHeads]))
  const calls = 20_000
  const samples = []
  for (let i = 0; i < rounds + 5; i++) {
    const start = process.hrtime.bigint()
    for (let call = 0; call < calls; call++) {
      plan.run({ layer: 0, query, key, value, output, lse })
    }
    if (i >= 5) samples.push(Number(process.hrtime.bigint() - start) / calls / 1000)
  }
  plan[Symbol.dispose]()
  cache[Symbol.dispose]()
  return { sequences: count, callsPerSample: calls, microseconds: roundedSummary(samples) }
}

// --- All of it.

function environment(backend) {
  const version = (name) =>
    JSON.parse(readFileSync(`${root}/packages/${name}/package.json`)).version
  let commit = 'unknown'
  try {
    commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root }).toString().trim()
  } catch {
    // Not a clone: the result says so.
  }
  return {
    schemaVersion: 1,
    kind: 'kernel',
    date: new Date().toISOString(),
    commit,
    machine: {
      cpu: cpus()[0].model,
      cores: cpus().length,
      memoryBytes: totalmem(),
      os: `${process.platform} ${release()}`,
      loadBefore: loadavg().map(rounded),
    },
    versions: { node: process.version, cpu: version('cpu'), core: version('core') },
    subject: { backend: backend.name, target: backend.target, threads },
    seed,
  }
}

const backend = createCpuBackend({ threads })
const result = environment(backend)
const show = (line) => process.stderr.write(`${line}\n`)
const range = ({ median: middle, low, high }) => `${middle} [${low}, ${high}]`

if (!only || only === 'overhead') {
  result.overhead = [1, 8, 64].map((count) => benchOverhead(backend, count))
  for (const { sequences, microseconds } of result.overhead) {
    show(`plan.run beyond the kernel, ${sequences} sequences: ${range(microseconds)} us`)
  }
}
if (!only || only === 'prefill') {
  result.prefill = [
    benchPrefill(backend, 'smollm2-135m', 1024),
    benchPrefill(backend, 'llama-3-8b', 1024),
  ]
  for (const { model, tokens, gflopPerSecond } of result.prefill) {
    show(`prefill of ${tokens}, ${model}: ${range(gflopPerSecond)} GFLOP/s`)
  }
}
if (!only || only === 'decode') {
  result.decode = []
  for (const [name, sequences, length] of [
    ['smollm2-135m', 32, 1456],
    ['llama-3-8b', 4, 2048],
  ]) {
    const decode = await benchDecode(backend, name, sequences, length)
    result.decode.push(decode)
    show(
      `decode, ${name}, ${sequences} x ${length} tokens, ${(decode.kvBytes / 1e9).toFixed(2)} GB`,
    )
    for (const [key, value] of Object.entries(decode.gbPerSecond))
      show(`  ${key}: ${range(value)} GB/s`)
    for (const [key, value] of Object.entries(decode.ratios)) show(`  ${key}: ${range(value)}`)
  }
}
result.machine.loadAfter = loadavg().map(rounded)
backend[Symbol.dispose]()

const file = option('json', undefined)
if (file) {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`)
  show(`written: ${file}`)
}
