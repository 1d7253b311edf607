// Prefill: one causal prompt, attention over keys and values that are in the cache already.
//
//   npm run build && node bench/gpu/prefill.mjs [--quick] [--lengths 8192,131072] [--budget 100]
//
// FlashAttention-3, FlashAttention-2 and FlashInfer, each over the contiguous cache (interleaved, the
// default on GPUs) and over blocks. Three measurements of each length, since power decides:
//
//   rounds     every subject once a round, in an order of its own: what ratios are made of
//   burst      the first launches of FlashAttention-3 after a pause
//   sustained  FlashAttention-3 alone and without a pause, when clocks have settled
import { copy } from '@vattention/core'

import { openBackends } from './lib/backends.mjs'
import { atLeast } from './lib/bars.mjs'
import { runBench } from './lib/bench.mjs'
import { figures, printTable } from './lib/figures.mjs'
import { FilledCache, cacheBytes } from './lib/filled-cache.mjs'
import { attentionFlop, causalPairs, llama } from './lib/formulas.mjs'
import { Noise } from './lib/noise.mjs'
import { budgetOption, promptLengths } from './lib/options.mjs'
import { median, ratio, summarize } from './lib/statistics.mjs'
import { Rows, Subject } from './lib/subject.mjs'
import { Telemetry } from './lib/telemetry.mjs'
import { launchesFor, probe, timeBurst, timeHeld, timeRounds } from './lib/timing.mjs'

/** Layers of paged caches, whose strides do not depend on how many there are: enough to rotate. */
const pagedLayers = 8

const caches = {
  contiguous: { layout: 'interleaved' },
  'paged 16': { blockTokens: 16 },
  'paged 128': { blockTokens: 128 },
  'paged 256': { blockTokens: 256 },
}

/** Subjects: backend, cache. */
const subjects = {
  'fa3 contiguous': ['flash-attention-3', 'contiguous'],
  'fa3 paged 16': ['flash-attention-3', 'paged 16'],
  'fa3 paged 128': ['flash-attention-3', 'paged 128'],
  'fa2 contiguous': ['flash-attention-2', 'contiguous'],
  'fa2 paged 256': ['flash-attention-2', 'paged 256'],
  'flashinfer contiguous': ['flashinfer', 'contiguous'],
  'flashinfer paged 16': ['flashinfer', 'paged 16'],
  'flashinfer-hopper contiguous': ['flashinfer-hopper', 'contiguous'],
  'flashinfer-hopper paged 16': ['flashinfer-hopper', 'paged 16'],
}
const cpuSubjects = { 'cpu contiguous': ['cpu', 'contiguous'], 'cpu paged 16': ['cpu', 'paged 16'] }

const ours = 'fa3 contiguous'
const label = (length) => (length % 1024 === 0 ? `${length / 1024}K` : String(length))

/** Throughput of one subject over another's: bars on it, length by length. */
const comparisons = [
  { of: ours, over: 'fa3 paged 16', bar: 1, medianBar: 1.08 },
  { of: ours, over: 'fa3 paged 128' },
  { of: ours, over: 'fa2 paged 256', bar: 1.8 },
  { of: ours, over: 'fa2 contiguous' },
  { of: ours, over: 'flashinfer paged 16', bar: 1.6 },
  { of: ours, over: 'flashinfer-hopper paged 16' },
  { of: 'fa2 contiguous', over: 'fa2 paged 256', bar: 1.15, from: 16384 },
  { of: 'flashinfer contiguous', over: 'flashinfer paged 16' },
]

/** Caches that subjects need, filled; those that do not fit are skipped. */
async function makeCaches(names, model, longest, { gpu, backends, noise, result, random }) {
  const found = new Map()
  for (const name of names) {
    const layers = name === 'contiguous' ? model.layers : Math.min(pagedLayers, model.layers)
    const options = { model: { ...model, layers }, sequences: 1, length: longest, random }
    const free = gpu.freeBytes()
    if (gpu.isGpu && cacheBytes(options) * 1.1 > free) {
      result.skip(`cache ${name}`, `${cacheBytes(options)} bytes do not fit into ${free}`)
      continue
    }
    try {
      const made = new FilledCache(gpu, { ...options, ...caches[name] }, backends.values(), noise)
      found.set(name, made)
      await gpu.synchronize()
    } catch (error) {
      result.skip(`cache ${name}`, error)
    }
  }
  return found
}

/** All subjects that this machine has, by name. */
function makeSubjects(wanted, filled, rows, longest, { gpu, backends, result }) {
  const found = new Map()
  for (const [name, [backend, cache]] of Object.entries(wanted)) {
    if (!backends.has(backend) || !filled.has(cache)) continue // told already
    try {
      const over = filled.get(cache)
      found.set(name, new Subject(gpu, name, backends.get(backend), over, rows, longest))
    } catch (error) {
      result.skip(name, error)
    }
  }
  return found
}

/** Prepares all for prompts of a length; what computes something else is left out. */
async function prepareAll(made, length, thorough, result) {
  const errors = {}
  for (const [name, subject] of made) {
    try {
      subject.prepare(length, length)
      errors[name] = await subject.check({ thorough })
    } catch (error) {
      result.skip(`${label(length)}: ${name}`, error)
    }
  }
  return errors
}

async function measureLength(made, length, budgetMs, { gpu, options, random, telemetry }) {
  const measured = new Map()
  const launchMs = {}
  for (const [name, subject] of made) {
    const { layers } = subject.filled.model
    const rotated = Math.min(layers, pagedLayers)
    launchMs[name] = await probe(gpu, subject, rotated)
    const launches = launchesFor(launchMs[name], options.quick ? 5 : 25)
    measured.set(name, { subject, layers: rotated, launches })
  }
  const samples = await timeRounds(gpu, measured, {
    most: options.quick ? 4 : 40,
    least: options.quick ? 2 : 6,
    budgetMs,
    random,
  })
  const bursts = []
  let held
  const first = measured.get(ours) ?? measured.values().next().value
  const subject = first?.subject
  if (subject) {
    const about = { layers: first.layers, launchMs: launchMs[subject.name] }
    const bursty = { ...about, pauseMs: options.quick ? 200 : 800, spanMs: 60 }
    for (let i = 0; i < (options.quick ? 1 : 3); i++) {
      bursts.push(await timeBurst(gpu, subject, bursty))
    }
    const [holdMs, settleMs] = options.quick ? [300, 100] : [2500, 1000]
    const holding = { ...about, launches: first.launches, holdMs, settleMs }
    held = await timeHeld(gpu, subject, holding)
  }
  // Readings are written a moment later.
  telemetry.read()
  return { samples, bursts, held, subject: subject?.name }
}

async function run(context) {
  const { gpu, options, result, random } = context
  const small = { ...llama, layers: 2, queryHeads: 8, kvHeads: 2, headDim: 64 }
  const model = gpu.isGpu ? llama : small
  const lengths = gpu.isGpu ? options.lengths : [256, 512]
  const longest = Math.max(...lengths)
  const wanted = gpu.isGpu ? subjects : cpuSubjects
  const names = ['flash-attention-3', 'flash-attention-2', 'flashinfer', 'flashinfer-hopper']
  const backends = await openBackends(gpu, names, result)
  const { headDim, dtype, kvHeads, queryHeads } = model
  const noiseOf = (rows, heads) => new Noise(gpu, { rows, heads, headDim, dtype, random })
  const noise = noiseOf(gpu.isGpu ? 4096 : 256, kvHeads)
  const queryNoise = noiseOf(gpu.isGpu ? 1024 : 128, queryHeads)
  const rows = new Rows(gpu, model, longest, queryNoise, (from, to) => copy(from, to, gpu.stream))
  const needed = new Set(Object.values(wanted).map(([, cache]) => cache))
  const filled = await makeCaches(needed, model, longest, { ...context, backends, noise })
  for (const [name, { scatter }] of filled) if (scatter) result.cases.push({ cache: name, scatter })
  const made = makeSubjects(wanted, filled, rows, longest, { ...context, backends })

  const telemetry = new Telemetry(gpu.info?.uuid)
  const measuredLengths = []
  try {
    // Longer prompts take longer for as many rounds.
    const weights = lengths.map((length) => Math.max(1, length / 40000))
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    for (const [i, length] of lengths.entries()) {
      const errors = await prepareAll(made, length, i === 0, result)
      const alive = new Map([...made].filter(([name]) => name in errors))
      // Beside the rounds: three bursts and one hold of each length.
      const budgetMs = ((options.budget * 1000 - 6000 * lengths.length) * weights[i]) / total
      const of = { ...context, telemetry }
      measuredLengths.push({
        length,
        errors,
        ...(await measureLength(alive, length, budgetMs, of)),
      })
    }
  } finally {
    telemetry.stop()
  }
  report(measuredLengths, { model, result, random, telemetry })
  for (const subject of made.values()) subject.dispose()
  for (const one of filled.values()) await one.dispose()
}

function report(measuredLengths, { model, result, random, telemetry }) {
  const table = []
  const ratiosOf = new Map(comparisons.map((one) => [one, []]))
  for (const { length, errors, samples, bursts, held, subject } of measuredLengths) {
    const flop = attentionFlop(model, causalPairs(length, length))
    const rate = { name: 'tflops', work: flop / 1e12 }
    const row = { length: label(length) }
    for (const [name, of] of Object.entries(samples)) {
      const made = figures(of, telemetry, rate, random)
      result.cases.push({ name, length, phase: 'rounds', flop, maxError: errors[name], ...made })
      row[name] = made.summary.tflops.median
    }
    if (subject) {
      const burst = figures(bursts.flat(), telemetry, rate, random)
      const sustained = figures(held, telemetry, rate, random)
      result.cases.push({ name: subject, length, phase: 'burst', flop, ...burst })
      result.cases.push({ name: subject, length, phase: 'sustained', flop, ...sustained })
      row[`${subject} burst`] = burst.summary.tflops.median
      row[`${subject} sustained`] = sustained.summary.tflops.median
      if (subject === ours) {
        const unit = { unit: 'TFLOP/s' }
        const at = `${ours}, ${label(length)}`
        result.bars.push(atLeast(`${at}, burst`, burst.summary.tflops, 690, unit))
        result.bars.push(atLeast(`${at}, sustained`, sustained.summary.tflops, 600, unit))
      }
    }
    for (const comparison of comparisons) {
      const { of, over, bar, from = 0 } = comparison
      if (!samples[of] || !samples[over]) continue
      const ms = (name) => samples[name].map((one) => one.ms)
      const value = ratio(ms(over), ms(of), random)
      const name = `${of} / ${over}, ${label(length)}`
      result.cases.push({ name, length, phase: 'ratio', ratio: value })
      if (bar !== undefined && length >= from) result.bars.push(atLeast(name, value, bar))
      ratiosOf.get(comparison).push(value.median)
    }
    table.push(row)
  }
  for (const [{ of, over, medianBar }, values] of ratiosOf) {
    if (medianBar === undefined || values.length === 0) continue
    const over32 = { note: 'median of the lengths', spread: summarize(values, random) }
    const name = `${of} / ${over}, median of the lengths`
    result.bars.push(atLeast(name, median(values), medianBar, over32))
  }
  printTable('TFLOP/s', table)
}

await runBench({
  name: 'prefill',
  kind: 'kernel',
  about: 'Causal prefill of one sequence: contiguous against paged, backend by backend.',
  options: {
    lengths: promptLengths,
    budget: budgetOption(100, 15),
  },
  describe: ({ lengths }) => ({
    protocol: {
      timer: 'CUDA events on the launch stream, no wait of the host within a round',
      order: 'shuffled in every round; ratios within rounds, medians, 95 % bootstrap intervals',
      l2: 'overwritten before every sample; launches rotate through 8 layers',
      rounds: 'samples of at least 25 ms',
      burst: 'launches of the first 60 ms after a pause of 0.8 s, three times',
      sustained: 'launches from 1 s to 2.5 s of one subject without a pause',
      flop: '4 x pairs x query heads x head dim; masked pairs do not count',
    },
    workload: {
      model: llama.name,
      heads: [llama.queryHeads, llama.kvHeads, llama.headDim],
      dtype: llama.dtype,
      lengths,
      mask: 'causal',
      caches: { contiguous: `interleaved, ${llama.layers} layers`, paged: `${pagedLayers} layers` },
      data: 'random normal; blocks in random order',
    },
  }),
  run,
})
