// The memory manager on a GPU, from JavaScript:
//
//   steps      256 sequences of Llama-3-8B: nothing to map, 1 % of the sequences crossing a page in
//              each step, and all of them decoding (6 % crossing), with the mapper thread on
//   prompts    bytes a second at which fresh 16K-token prompts are backed, with size classes and with
//              pages of 2 MiB only
//   overlap    what attention loses while the mapper maps and unmaps beside it
//
//   npm run build && node bench/gpu/step.mjs [--quick] [--only steps,prompts,overlap] [--budget 60]
import { ContiguousKvCache, copy } from '@vattention/core'

import { openBackends, shortNames } from './lib/backends.mjs'
import { atLeast, atMost } from './lib/bars.mjs'
import { runBench } from './lib/bench.mjs'
import { printTable } from './lib/figures.mjs'
import { FilledCache, must } from './lib/filled-cache.mjs'
import { llama, tokenBytes } from './lib/formulas.mjs'
import { Noise } from './lib/noise.mjs'
import { budgetOption, read } from './lib/options.mjs'
import { interleave } from './lib/rounds.mjs'
import { latencies, median, quantile, ratio, summarize } from './lib/statistics.mjs'
import { Rows, Subject } from './lib/subject.mjs'
import { enqueue, probe } from './lib/timing.mjs'

const parts = ['steps', 'prompts', 'overlap']
const mebibyte = 2 ** 20

/** Options of a cache of the model that this bench shows. */
function optionsOf(gpu, model, more) {
  const { layers, kvHeads, headDim, dtype } = model
  return { layers, kvHeads, headDim, dtype, device: gpu.device, layout: 'interleaved', ...more }
}

/** Runs with a cache, which is gone afterwards. */
async function withCache(options, measure) {
  const cache = new ContiguousKvCache(options)
  try {
    return await measure(cache)
  } finally {
    await cache.disposeAsync()
  }
}

// --- Steps.

function sleepUntil(at) {
  const left = Number(at - process.hrtime.bigint()) / 1e6
  if (left > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, left)
}

/** Times one step in microseconds; `driverCalls`: those that it made itself. */
function timeStep(cache, handles, lengths) {
  const start = process.hrtime.bigint()
  const result = cache.step(handles, lengths)
  const end = process.hrtime.bigint()
  return { us: Number(end - start) / 1000, driverCalls: must(result).driverCalls }
}

const openSequences = (cache, count) =>
  Uint32Array.from({ length: count }, () => cache.allocate().sequence)

/** Every sequence decodes a token a step into memory that is there; the mapper is on. */
function nothingToMap(gpu, model, { count, rounds }) {
  const most = 160
  const bytes = tokenBytes(model) * model.layers * (most + 512) * count
  const options = optionsOf(gpu, model, {
    maxSequences: count,
    maxLength: 4096,
    limitBytes: bytes + 2 ** 30,
  })
  return withCache(options, (cache) => {
    const handles = openSequences(cache, count)
    const lengths = new Uint32Array(count).fill(most)
    must(cache.step(handles, lengths))
    cache.mapper.drain()
    const durations = []
    let mapped = 0
    while (durations.length < rounds * 1.1) {
      // Truncating unmaps nothing: the next tokens find their pages.
      for (const handle of handles) cache.truncate(handle, 1)
      lengths.fill(1)
      while (lengths[0] < most) {
        for (let i = 0; i < count; i++) lengths[i]++
        const { us, driverCalls } = timeStep(cache, handles, lengths)
        durations.push(us)
        if (driverCalls > 0) mapped++
      }
    }
    // The first tenth warms up.
    return { us: durations.slice(durations.length - rounds), stepsThatMapped: mapped }
  })
}

/**
 * Sequences decode, a step every `paceMs`; in each step one of `every` gets a token, so that
 * 1 / (every x tokens of a page) of them cross into a page that the mapper may have mapped.
 */
function crossing(gpu, model, { count, steps, every, paceMs }) {
  const bytesPerToken = tokenBytes(model) * model.layers
  const pageTokens = (2 * mebibyte) / bytesPerToken
  const first = 64
  const last = first + Math.ceil((steps * 1.25) / every)
  const options = optionsOf(gpu, model, {
    maxSequences: count,
    maxLength: last + 1024,
    limitBytes: bytesPerToken * (last + 1024) * count,
  })
  return withCache(options, (cache) => {
    const handles = openSequences(cache, count)
    // Staggered, as in a server: not all cross at once.
    const lengths = Uint32Array.from({ length: count }, (_, i) => first + ((i * 7) % 61))
    must(cache.step(handles, lengths))
    cache.mapper.drain()
    const durations = []
    let mapped = 0
    let crossed = 0
    const warm = Math.ceil(steps / 4)
    let next = process.hrtime.bigint()
    for (let step = -warm; step < steps; step++) {
      let crossing = 0
      for (let i = 0; i < count; i++) {
        if ((i + step + warm) % every !== 0) continue
        if (lengths[i] % pageTokens < 1) crossing++
        lengths[i]++
      }
      sleepUntil(next)
      next = process.hrtime.bigint() + BigInt(Math.round(paceMs * 1e6))
      const { us, driverCalls } = timeStep(cache, handles, lengths)
      if (step < 0) continue
      durations.push(us)
      crossed += crossing
      if (driverCalls > 0) mapped++
    }
    return { us: durations, stepsThatMapped: mapped, crossingShare: crossed / steps / count }
  })
}

async function measureSteps({ gpu, options, result }, model) {
  const quick = options.quick
  const count = gpu.isGpu ? 256 : 32
  const rounds = quick ? 2000 : 20000
  const steps = !gpu.isGpu ? 60 : quick ? 300 : 1500
  const paceMs = gpu.isGpu ? 2 : 0.2
  const cases = {
    'nothing to map': () => nothingToMap(gpu, model, { count, rounds }),
    '1 % crossing': () => crossing(gpu, model, { count, steps, every: 6, paceMs }),
    // 16 pages a step, which the mapper needs about half a millisecond for.
    'all decoding': () =>
      crossing(gpu, model, { count, steps: Math.ceil(steps / 3), every: 1, paceMs: 2.5 * paceMs }),
  }
  const bars = { 'nothing to map': 50, '1 % crossing': 100 }
  const table = []
  for (const [name, measure] of Object.entries(cases)) {
    try {
      const { us, ...more } = await measure()
      const summary = latencies(us)
      result.cases.push({ part: 'steps', name, sequences: count, microseconds: summary, ...more })
      const bar = bars[name]
      const title = `step of ${count} sequences, ${name}: p99`
      if (bar) result.bars.push(atMost(title, summary.p99, bar, { unit: 'us' }))
      table.push({ step: name, ...summary, mapped: more.stepsThatMapped })
    } catch (error) {
      result.skip(`steps: ${name}`, error)
    }
  }
  printTable('Microseconds per step', table)
}

// --- Prompts.

// A page is shared whole, so with the default sharePageBytes prompts are backed by 2 MiB pages, so that
// others can share their beginnings. Larger ones are for prompts that nobody shares in small pieces.
const pageClasses = {
  'size classes': [2, 8, 32, 128],
  '2 MiB and 8 MiB': [2, 8],
  '2 MiB and 32 MiB': [2, 32],
  '2 MiB only': [2],
  'default, shared by 2 MiB': undefined,
}

async function measurePrompts({ gpu, options, result, random }, model) {
  const tokens = gpu.isGpu ? 16384 : 512
  const bytes = tokenBytes(model) * model.layers * tokens
  const most = Math.min(gpu.isGpu ? 32 : 8, Math.floor((gpu.freeBytes() * 0.8) / bytes))
  const wanted = Math.min(most, options.quick ? 6 : 32)
  const table = []
  for (const [name, classes] of Object.entries(pageClasses)) {
    // Small pages take long, and vary little.
    const count = classes === undefined || classes.length === 1 ? Math.min(wanted, 8) : wanted
    const cacheOptions = optionsOf(gpu, model, {
      maxSequences: count,
      maxLength: tokens,
      limitBytes: bytes * count + 2 ** 30,
      mapAhead: false,
      ...(gpu.isGpu &&
        classes && {
          pageBytes: classes.map((size) => size * mebibyte),
          sharePageBytes: Math.max(...classes) * mebibyte,
        }),
    })
    try {
      const samples = await withCache(cacheOptions, async (cache) => {
        const found = { us: [], readyUs: [] }
        for (let i = 0; i < count; i++) {
          const { sequence } = cache.allocate()
          const begun = performance.now()
          const { us } = timeStep(cache, Uint32Array.of(sequence), Uint32Array.of(tokens))
          if (gpu.stream) cache.waitReady(gpu.stream)
          await gpu.synchronize()
          found.us.push(us)
          found.readyUs.push((performance.now() - begun) * 1000)
        }
        return found
      })
      // The first one meets what the driver does once.
      const rate = (us) => us.slice(1).map((value) => bytes / (value * 1000))
      const step = summarize(rate(samples.us), random)
      const ready = summarize(rate(samples.readyUs), random)
      const about = { part: 'prompts', name, tokens, bytes, count }
      result.cases.push({ ...about, samples, gigabytesPerSecond: { step, ready } })
      if (name === 'size classes') {
        const title = `backing ${tokens}-token prompts, ${name}`
        result.bars.push(atLeast(title, step, 900, { unit: 'GB/s' }))
      }
      table.push({ pages: name, 'GB/s': step.median, 'GB/s, zeroed': ready.median })
    } catch (error) {
      result.skip(`prompts: ${name}`, error)
    }
  }
  printTable(`Backing fresh prompts of ${tokens} tokens`, table)
}

// --- Overlap.

/** GB/s of the published peak demand, four times over. */
const demand = 3

/**
 * Maps and unmaps beside whatever runs, until told to stop: a sequence begins, the mapper maps ahead
 * for it in pages of 2 MiB, it ends, and its memory goes back to the driver. `await` everywhere, so
 * that this thread can do other things.
 */
class Churn {
  #cache
  #stopped = false
  #running

  constructor(gpu, model) {
    const bytesPerToken = tokenBytes(model) * model.layers
    this.tokens = Math.ceil(((gpu.isGpu ? 128 : 4) * mebibyte) / bytesPerToken)
    this.bytes = this.tokens * bytesPerToken
    this.#cache = new ContiguousKvCache(
      optionsOf(gpu, model, {
        maxSequences: 4,
        maxLength: 2 * this.tokens,
        limitBytes: 4 * this.bytes,
        ...(gpu.isGpu && { pageBytes: [2 * mebibyte] }),
        mapAhead: { tokens: this.tokens, idleSlots: 0, lowWaterBytes: 0 },
      }),
    )
  }

  /** @param {number} rate GB/s that are mapped; Infinity: as fast as it goes. */
  start(rate) {
    this.#stopped = false
    const turnMs = this.bytes / (rate * 1e6)
    this.#running = (async () => {
      while (!this.#stopped) {
        const next = performance.now() + turnMs
        const { sequence } = this.#cache.allocate()
        must(await this.#cache.stepAsync(Uint32Array.of(sequence), Uint32Array.of(1)))
        await this.#cache.mapper.drainAsync()
        this.#cache.free(sequence)
        await this.#cache.trimAsync()
        const left = next - performance.now()
        if (left > 0 && !this.#stopped) await new Promise((done) => setTimeout(done, left))
      }
    })()
  }

  async stop() {
    this.#stopped = true
    await this.#running
  }

  stats() {
    const { pagesMapped, pagesUnmapped } = this.#cache.stats()
    return { pagesMapped, pagesUnmapped }
  }

  dispose() {
    return this.#cache.disposeAsync()
  }
}

async function measureOverlap(context, model, backends) {
  const { gpu, options, result, random } = context
  const { headDim, dtype, kvHeads, queryHeads } = model
  const cases = gpu.isGpu
    ? {
        'decode 16x16K': { sequences: 16, length: 16384, query: 1 },
        'prefill 16K': { sequences: 1, length: 16384, query: 16384 },
      }
    : { decode: { sequences: 4, length: 256, query: 1 } }
  const noiseRows = gpu.isGpu ? 4096 : 256
  const noise = new Noise(gpu, { rows: noiseRows, heads: kvHeads, headDim, dtype, random })
  const rowsOf = gpu.isGpu ? 1024 : 256
  const queryNoise = new Noise(gpu, { rows: rowsOf, heads: queryHeads, headDim, dtype, random })
  const most = Math.max(...Object.values(cases).map(({ sequences, query }) => sequences * query))
  const rows = new Rows(gpu, model, most, queryNoise, (from, to) => copy(from, to, gpu.stream))
  const table = []
  for (const [name, one] of Object.entries(cases)) {
    const about = { model, ...one, layout: 'interleaved', random }
    let filled
    let subject
    let churn
    try {
      filled = new FilledCache(gpu, about, backends.values(), noise)
      const [backendName, backend] = [...backends][0]
      subject = new Subject(gpu, name, backend, filled, rows, one.sequences * one.query)
      subject.prepare(one.query, one.length)
      const maxError = await subject.check()
      churn = new Churn(gpu, model)
      const launchMs = await probe(gpu, subject, model.layers)
      // Long enough for several turns of the slow churn.
      const sampleMs = gpu.isGpu ? 120 : 4
      const launches = Math.max(1, Math.ceil(sampleMs / launchMs))
      const sample = async (rate) => {
        const before = churn.stats()
        const started = performance.now()
        if (rate > 0) churn.start(rate)
        const { start, end } = enqueue(gpu, subject, launches, model.layers)
        await gpu.synchronize()
        const wallMs = performance.now() - started
        if (rate > 0) await churn.stop()
        const after = churn.stats()
        const ms = end.millisecondsSince(start) / launches
        start[Symbol.dispose]()
        end[Symbol.dispose]()
        const mapped = after.pagesMapped - before.pagesMapped
        const unmapped = after.pagesUnmapped - before.pagesUnmapped
        return { ms, wallMs, mapped, unmapped }
      }
      const samples = await interleave({
        subjects: {
          quiet: () => sample(0),
          demand: () => sample(demand),
          unthrottled: () => sample(Infinity),
        },
        most: options.quick ? 5 : 40,
        least: options.quick ? 3 : 10,
        budgetMs: (options.budget * 1000) / 3 / Object.keys(cases).length,
        random,
      })
      const ms = (kind) => samples[kind].map((each) => each.ms)
      for (const kind of ['demand', 'unthrottled']) {
        const value = ratio(ms(kind), ms('quiet'), random)
        const pages = (key) => median(samples[kind].map((each) => each[key]))
        const gigabytes = (key) =>
          (pages(key) * 2 * mebibyte) / 1e6 / median(samples[kind].map(({ wallMs }) => wallMs))
        const rates = { mapped: gigabytes('mapped'), unmapped: gigabytes('unmapped') }
        result.cases.push({
          ...{ part: 'overlap', name, kind, backend: backendName, launches, maxError },
          samples: { ms: ms(kind), quietMs: ms('quiet'), pagesMapped: pages('mapped') },
          ratio: value,
          gigabytesPerSecond: rates,
        })
        const title = `${name} (${shortNames[backendName]}) while ${kind} mapping: time, upper bound`
        const note = `${rates.mapped.toFixed(1)} GB/s mapped, ${rates.unmapped.toFixed(1)} unmapped`
        const bar = atMost(title, value.high, 1.02, { note })
        result.bars.push(rates.mapped > 0 ? bar : { ...bar, value: null, met: null })
        table.push({
          attention: name,
          mapping: kind,
          'GB/s': rates.mapped,
          'time / quiet': value.median,
          high: value.high,
          p90: quantile(ms(kind), 0.9) / median(ms('quiet')),
        })
      }
    } catch (error) {
      result.skip(`overlap: ${name}`, error)
    } finally {
      await churn?.dispose()
      subject?.dispose()
      await gpu.synchronize()
      await filled?.dispose()
    }
  }
  printTable('Attention while pages are mapped and unmapped beside it', table)
}

async function run(context) {
  const { gpu, options, result } = context
  const small = { ...llama, layers: 4, queryHeads: 8, kvHeads: 2, headDim: 64 }
  const model = gpu.isGpu ? llama : small
  if (options.only.includes('steps')) await measureSteps(context, model)
  if (options.only.includes('prompts')) await measurePrompts(context, model)
  if (!options.only.includes('overlap')) return
  const names = ['flash-attention-3', 'flash-attention-2', 'flashinfer']
  const backends = await openBackends(gpu, names, result)
  if (backends.size > 0) await measureOverlap(context, model, backends)
}

await runBench({
  name: 'step',
  kind: 'memory',
  about: 'The memory manager: steps, allocation bandwidth, and mapping beside attention.',
  options: {
    only: {
      value: 'LIST',
      about: `parts: ${parts.join(', ')}`,
      read: read.names(parts),
      default: parts,
    },
    budget: budgetOption(60, 15),
  },
  describe: ({ only }) => ({
    protocol: {
      timer: 'steps: the host, around one call from JavaScript; overlap: CUDA events',
      steps: 'one every 2 ms where sequences cross pages, every 5 ms where all decode',
      overlap:
        'samples of 120 ms in shuffled rounds: quiet, mapping at four times the published peak ' +
        'demand (3 GB/s), and as fast as it goes; new pages are zeroed as ever',
    },
    workload: {
      model: llama.name,
      layout: 'interleaved',
      sequences: 256,
      promptTokens: 16384,
      parts: only,
    },
  }),
  run,
})
