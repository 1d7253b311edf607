// Decode: one new token of every sequence, which reads all keys and values: bytes of K and V a second.
//
//   npm run build && node bench/gpu/decode.mjs [--quick] [--cases 16x16384,64x4096] [--budget 80]
//
// FlashAttention-2 and -3 and FlashInfer over the contiguous cache in both layouts and over blocks,
// and vLLM's PagedAttention over blocks in its own layout. Every subject once a round, in an order of
// its own.
import { copy } from '@vattention/core'

import { openBackends } from './lib/backends.mjs'
import { atLeast } from './lib/bars.mjs'
import { runBench } from './lib/bench.mjs'
import { figures, printTable } from './lib/figures.mjs'
import { FilledCache, cacheBytes } from './lib/filled-cache.mjs'
import { llama, tokenBytes } from './lib/formulas.mjs'
import { Noise } from './lib/noise.mjs'
import { budgetOption, read, UsageError } from './lib/options.mjs'
import { median, ratio } from './lib/statistics.mjs'
import { checkedSubjects, Rows, Subject } from './lib/subject.mjs'
import { Telemetry } from './lib/telemetry.mjs'
import { launchesFor, probe, timeRounds } from './lib/timing.mjs'

const nhd = (blockTokens) => ({ blockTokens })
const published = (blockTokens) => ({ blockTokens, poolLayout: 'paged-attention' })

/** Caches, and the backends over each: those that do not serve a block size say so. */
const plans = {
  interleaved: [{ layout: 'interleaved' }, ['fa2', 'fa3', 'flashinfer', 'cpu']],
  split: [{ layout: 'split' }, ['fa2', 'fa3', 'flashinfer', 'cpu']],
  'paged 16': [nhd(16), ['fa3', 'flashinfer', 'cpu']],
  'paged 128': [nhd(128), ['fa2', 'fa3', 'flashinfer']],
  'paged 256': [nhd(256), ['fa2', 'fa3', 'flashinfer']],
  'blocks 8': [published(8), ['paged-attention']],
  'blocks 16': [published(16), ['paged-attention', 'cpu']],
  'blocks 32': [published(32), ['paged-attention']],
}
const backendOf = {
  fa2: 'flash-attention-2',
  fa3: 'flash-attention-3',
  flashinfer: 'flashinfer',
  'paged-attention': 'paged-attention',
  cpu: 'cpu',
}
const contiguous = ['fa2', 'fa3', 'flashinfer'].flatMap((name) => [
  `${name} interleaved`,
  `${name} split`,
])

/** Terabytes per second of the best contiguous backend. */
const bars = { '16x16K': 4.1, '32x16K': 4.3, '64x4K': 4 }

const k = (length) => (length % 1024 === 0 ? `${length / 1024}K` : String(length))
const nameOf = ({ sequences, length }) => `${sequences}x${k(length)}`

function readCases(text, name) {
  return read.list(text).map((item) => {
    const [, sequences, length] = /^(\d+)x(\d+)$/.exec(item) ?? []
    if (length === undefined) throw new UsageError(`--${name}: 16x16384 expected, found "${item}".`)
    return { sequences: Number(sequences), length: Number(length) }
  })
}

/**
 * Layers of a cache: all where they make the rows' stride, else as many as have to be rotated so that
 * nothing is in the L2 cache twice.
 */
function layersOf(cache, model, { sequences, length }) {
  if (cache.layout === 'interleaved') return model.layers
  const layerBytes = tokenBytes(model) * sequences * length
  return Math.min(model.layers, layerBytes >= 2 ** 30 ? 2 : 8)
}

async function measureCase(one, budgetMs, context) {
  const { gpu, options, result, random, model, backends, noise, rows, telemetry } = context
  const where = nameOf(one)
  const filled = new Map()
  const makers = {}
  const errors = {}
  try {
    for (const [cacheName, [cache, served]] of Object.entries(plans)) {
      const users = served.filter((name) => backends.has(backendOf[name]))
      if (users.length === 0) continue
      const layers = layersOf(cache, model, one)
      const about = { model: { ...model, layers }, ...one, ...cache, random }
      const bytes = cacheBytes(about)
      const free = gpu.freeBytes()
      if (gpu.isGpu && bytes + 3 * 2 ** 30 > free) {
        result.skip(`${where}: ${cacheName}`, `${bytes} bytes do not fit into ${free}`)
        continue
      }
      try {
        const made = new FilledCache(gpu, about, backends.values(), noise)
        await gpu.synchronize()
        filled.set(cacheName, made)
      } catch (error) {
        result.skip(`${where}: ${cacheName}`, error)
        continue
      }
      for (const user of users) {
        const name = `${user} ${cacheName}`
        const backend = backends.get(backendOf[user])
        const over = filled.get(cacheName)
        makers[name] = () => new Subject(gpu, name, backend, over, rows, one.sequences)
      }
    }
    const checked = await checkedSubjects(makers, 1, one.length, result, where)
    const measured = new Map()
    const rotated = Math.min(...[...filled.values()].map(({ model: { layers } }) => layers))
    for (const [name, { subject, maxError }] of checked) {
      const ms = await probe(gpu, subject, rotated)
      const launches = launchesFor(ms, options.quick ? 2 : 6)
      measured.set(name, { subject, layers: rotated, launches })
      errors[name] = maxError
    }
    const samples = await timeRounds(gpu, measured, {
      most: options.quick ? 5 : 60,
      least: options.quick ? 3 : 8,
      budgetMs,
      warmUp: 2,
      random,
    })
    telemetry.read()
    for (const { subject } of checked.values()) subject.dispose()
    const scatter = Object.fromEntries(
      [...filled].filter(([, each]) => each.scatter).map(([name, each]) => [name, each.scatter]),
    )
    return { samples, errors, scatter }
  } finally {
    for (const each of filled.values()) await each.dispose()
  }
}

const best = (names, samples) =>
  names
    .filter((name) => samples[name])
    .map((name) => ({ name, ms: median(samples[name].map(({ ms }) => ms)) }))
    .sort((a, b) => a.ms - b.ms)[0]?.name

function report(one, { samples, errors, scatter }, { model, result, random, telemetry }) {
  const where = nameOf(one)
  const bytes = tokenBytes(model) * one.sequences * one.length
  const rate = { name: 'gigabytesPerSecond', work: bytes / 1e9 }
  const summaries = {}
  for (const [name, of] of Object.entries(samples)) {
    const made = figures(of, telemetry, rate, random)
    summaries[name] = made.summary.gigabytesPerSecond
    result.cases.push({ name, ...one, bytes, maxError: errors[name], ...made })
  }
  result.cases.push({ name: 'scatter of blocks', ...one, scatter })
  const over = (of, other) =>
    ratio(
      samples[other].map(({ ms }) => ms),
      samples[of].map(({ ms }) => ms),
      random,
    )
  const compare = (of, other, bar) => {
    if (!samples[of] || !samples[other]) return
    const value = over(of, other)
    const name = `${where}: ${of} / ${other}`
    result.cases.push({ name, ...one, phase: 'ratio', ratio: value })
    if (bar !== undefined) result.bars.push(atLeast(name, value, bar))
  }
  const ours = best(contiguous, samples)
  const paged = best(
    Object.keys(samples).filter((name) => / paged /.test(name)),
    samples,
  )
  const baseline = best(
    Object.keys(samples).filter((name) => name.startsWith('paged-attention')),
    samples,
  )
  const bar = bars[where]
  if (ours && bar) {
    const { median: value, low, high } = summaries[ours]
    const terabytes = { median: value / 1000, low: low / 1000, high: high / 1000 }
    const name = `${where}: best contiguous (${ours})`
    result.bars.push(atLeast(name, terabytes, bar, { unit: 'TB/s' }))
  }
  // One sequence is reported; the bars are for batches.
  const held = (value) => (bar === undefined ? undefined : value)
  if (ours && paged) compare(ours, paged, held(0.97))
  if (ours && baseline) compare(ours, baseline, held(3))
  for (const name of ['fa2', 'fa3', 'flashinfer', 'cpu']) {
    compare(`${name} interleaved`, `${name} split`, held(0.94))
  }
  printTable(
    `${where}: GB/s of K and V`,
    Object.entries(summaries).map(([name, { median: value, low, high }]) => ({
      subject: name,
      'GB/s': value,
      low,
      high,
    })),
  )
}

async function run(context) {
  const { gpu, options, result, random } = context
  const small = { ...llama, layers: 2, queryHeads: 8, kvHeads: 2, headDim: 64 }
  const model = gpu.isGpu ? llama : small
  const cases = gpu.isGpu ? options.cases : [{ sequences: 4, length: 256 }]
  const names = ['flash-attention-2', 'flash-attention-3', 'flashinfer', 'paged-attention']
  const backends = await openBackends(gpu, names, result)
  const { headDim, dtype, kvHeads, queryHeads } = model
  const most = Math.max(...cases.map(({ sequences }) => sequences))
  const noiseRows = gpu.isGpu ? 4096 : 256
  const noise = new Noise(gpu, { rows: noiseRows, heads: kvHeads, headDim, dtype, random })
  const queryNoise = new Noise(gpu, { rows: most, heads: queryHeads, headDim, dtype, random })
  const rows = new Rows(gpu, model, most, queryNoise, (from, to) => copy(from, to, gpu.stream))
  const telemetry = new Telemetry(gpu.info?.uuid)
  const made = []
  try {
    for (const one of cases) {
      // Filling takes about as long as measuring.
      const budgetMs = (options.budget * 1000) / cases.length / 2
      const of = { ...context, model, backends, noise, rows, telemetry }
      made.push([one, await measureCase(one, budgetMs, of)])
    }
  } finally {
    telemetry.stop()
  }
  for (const [one, measured] of made) report(one, measured, { model, result, random, telemetry })
}

await runBench({
  name: 'decode',
  kind: 'kernel',
  about: 'Decode of batches: contiguous in both layouts, paged, and PagedAttention.',
  options: {
    cases: {
      value: 'LIST',
      about: 'batches, sequences x tokens: 16x16384,64x4096',
      read: readCases,
      default: [
        { sequences: 16, length: 16384 },
        { sequences: 32, length: 16384 },
        { sequences: 64, length: 4096 },
        { sequences: 1, length: 32768 },
      ],
      quick: [
        { sequences: 16, length: 16384 },
        { sequences: 64, length: 4096 },
      ],
    },
    budget: budgetOption(80, 20),
  },
  describe: ({ cases }) => ({
    protocol: {
      timer: 'CUDA events on the launch stream, no wait of the host within a round',
      order: 'shuffled in every round; ratios within rounds, medians, 95 % bootstrap intervals',
      l2: 'overwritten before every sample; launches rotate through layers, each larger than L2',
      rounds: 'samples of at least 6 ms',
      bytes: 'K and V of one layer',
    },
    workload: {
      model: llama.name,
      heads: [llama.queryHeads, llama.kvHeads, llama.headDim],
      dtype: llama.dtype,
      cases,
      caches: {
        interleaved: `${llama.layers} layers`,
        others: 'two layers of at least 1 GiB, or eight',
      },
      data: 'random normal; blocks in random order',
    },
  }),
  run,
})
