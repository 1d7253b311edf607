// What mapped pages cost a kernel: the same kernel over the contiguous cache, and over plain
// allocations in which keys and values lie exactly as they do there.
//
//   npm run build && node bench/gpu/pages.mjs [--quick] [--budget 60]
//
// Each backend, prefill and decode. The two must compute the same bits.
import { copy, readBits } from '@vattention/core'
import { slice } from '@vattention/interface'

import { openBackends, shortNames } from './lib/backends.mjs'
import { atLeast } from './lib/bars.mjs'
import { runBench } from './lib/bench.mjs'
import { figures, printTable } from './lib/figures.mjs'
import { FilledCache, cacheBytes } from './lib/filled-cache.mjs'
import { ForeignCache } from './lib/foreign-cache.mjs'
import { llama } from './lib/formulas.mjs'
import { Noise } from './lib/noise.mjs'
import { budgetOption, read } from './lib/options.mjs'
import { ratio } from './lib/statistics.mjs'
import { Rows, Subject } from './lib/subject.mjs'
import { Telemetry } from './lib/telemetry.mjs'
import { launchesFor, probe, timeRounds } from './lib/timing.mjs'

const layouts = ['interleaved', 'split']

/** `share`: of the time. A launch of a long prompt takes a tenth of a second. */
const cases = {
  'prefill 16K': { sequences: 1, length: 16384, query: 16384, bar: 0.99, share: 1 },
  'prefill 64K': { sequences: 1, length: 65536, query: 65536, bar: 0.99, share: 4 },
  'decode 16x16K': { sequences: 16, length: 16384, query: 1, bar: 0.97, share: 1 },
  'decode 64x4K': { sequences: 64, length: 4096, query: 1, bar: 0.97, share: 1 },
}
const quickCases = ['prefill 16K', 'decode 16x16K']
const cpuCases = {
  prefill: { sequences: 1, length: 128, query: 128, bar: 0.99, share: 1 },
  decode: { sequences: 2, length: 64, query: 1, bar: 0.97, share: 1 },
}

/** Short samples, so that the two of a round meet the same clocks. */
const sampleMs = 4
/** Until power and clocks have found their level. */
const settleMs = 300

/** Split caches: tensors of their own, so that fewer layers are the same to a kernel. */
const splitLayers = 4

/** Bits of the last rows of every sequence. */
async function outputOf(gpu, subject, layer) {
  subject.run(layer)
  await gpu.synchronize()
  const { output } = subject.tensors
  const rows = output.shape[0]
  return readBits(slice(output, Math.max(0, rows - 64), rows))
}

async function measureCase(name, layout, one, budgetMs, context) {
  const { gpu, options, result, random, model, backends, noise, rows, telemetry } = context
  const where = `${name}, ${layout}`
  const { sequences, length, query } = one
  const layers = layout === 'split' ? Math.min(splitLayers, model.layers) : model.layers
  const about = { model: { ...model, layers }, sequences, length, layout, random }
  if (gpu.isGpu && 2.2 * cacheBytes(about) > gpu.freeBytes()) {
    result.skip(where, `two caches of ${cacheBytes(about)} bytes do not fit`)
    return {}
  }
  let pages
  let foreign
  const made = []
  try {
    pages = new FilledCache(gpu, about, backends.values(), noise)
    await gpu.synchronize()
    foreign = new ForeignCache(gpu, pages)
    const samples = {}
    const checks = {}
    const allocated = Object.assign(Object.create(pages), {
      cache: foreign,
      handles: foreign.handles,
    })
    for (const [backendName, backend] of backends) {
      const short = shortNames[backendName]
      try {
        const pair = [pages, allocated].map(
          (filled) => new Subject(gpu, short, backend, filled, rows, sequences * query),
        )
        made.push(...pair)
        for (const subject of pair) subject.prepare(query, length)
        const maxError = await pair[0].check({ thorough: length <= 16384 })
        const [mine, theirs] = [await outputOf(gpu, pair[0], 1), await outputOf(gpu, pair[1], 1)]
        if (!mine.every((bits, i) => bits === theirs[i])) throw new Error('the results differ')
        checks[short] = maxError
        const ms = await probe(gpu, pair[0], Math.min(4, layers))
        const rotated = { layers: Math.min(4, layers), launches: launchesFor(ms, sampleMs) }
        // Each backend by itself: behind another kernel the clocks are another's, which moves a
        // prefill by more than what is measured.
        const measured = new Map([
          [`${short} pages`, { subject: pair[0], ...rotated }],
          [`${short} allocation`, { subject: pair[1], ...rotated }],
        ])
        const roundMs = 2 * rotated.launches * ms
        const timed = await timeRounds(gpu, measured, {
          most: options.quick ? 6 : 400,
          least: options.quick ? 3 : 8,
          budgetMs: budgetMs / backends.size,
          warmUp: options.quick ? 1 : Math.max(2, Math.ceil(settleMs / roundMs)),
          random,
        })
        Object.assign(samples, timed)
      } catch (error) {
        result.skip(`${where}: ${short}`, error)
      }
    }
    telemetry.read()
    return { samples, checks }
  } catch (error) {
    result.skip(where, error)
    return {}
  } finally {
    for (const subject of made) subject.dispose()
    await gpu.synchronize()
    await foreign?.disposeAsync()
    await pages?.dispose()
  }
}

async function run(context) {
  const { gpu, options, result, random } = context
  const small = { ...llama, layers: 2, queryHeads: 8, kvHeads: 2, headDim: 64 }
  const model = gpu.isGpu ? llama : small
  const wanted = gpu.isGpu
    ? Object.entries(cases).filter(([name]) => options.cases.includes(name))
    : Object.entries(cpuCases)
  const names = ['flash-attention-2', 'flash-attention-3', 'flashinfer']
  const backends = await openBackends(gpu, names, result)
  const { headDim, dtype, kvHeads, queryHeads } = model
  const noiseRows = gpu.isGpu ? 4096 : 128
  const noise = new Noise(gpu, { rows: noiseRows, heads: kvHeads, headDim, dtype, random })
  const queryRows = gpu.isGpu ? 1024 : 256
  const queryNoise = new Noise(gpu, { rows: queryRows, heads: queryHeads, headDim, dtype, random })
  const most = Math.max(...wanted.map(([, { sequences, query }]) => sequences * query))
  const rows = new Rows(gpu, model, most, queryNoise, (from, to) => copy(from, to, gpu.stream))
  const telemetry = new Telemetry(gpu.info?.uuid)
  const measured = []
  try {
    const all = wanted.flatMap(([name, one]) => layouts.map((layout) => [name, layout, one]))
    const shares = all.reduce((sum, [, , { share }]) => sum + share, 0)
    for (const [name, layout, one] of all) {
      // Filling and checking take the rest.
      const budgetMs = (options.budget * 700 * one.share) / shares
      const of = { ...context, model, backends, noise, rows, telemetry }
      const found = await measureCase(name, layout, one, budgetMs, of)
      if (found.samples) measured.push({ name, layout, one, ...found })
    }
  } finally {
    telemetry.stop()
  }
  const table = []
  for (const { name, layout, one, samples, checks } of measured) {
    const ms = (subject) => samples[subject].map((sample) => sample.ms)
    for (const short of Object.keys(checks)) {
      const [mine, theirs] = [`${short} pages`, `${short} allocation`]
      const value = ratio(ms(theirs), ms(mine), random)
      const of = { name, layout, backend: short, ...one }
      for (const subject of [mine, theirs]) {
        const made = figures(samples[subject], telemetry, { name: 'launches', work: 1 }, random)
        result.cases.push({ ...of, subject, maxError: checks[short], ...made })
      }
      result.cases.push({ ...of, phase: 'ratio', ratio: value })
      result.bars.push(atLeast(`${name}, ${layout}: ${mine} / ${theirs}`, value, one.bar))
      table.push({ case: `${name}, ${layout}, ${short}`, 'pages / allocation': value.median })
    }
  }
  printTable('Throughput over mapped pages, as a part of that over one allocation', table)
}

await runBench({
  name: 'pages',
  kind: 'kernel',
  about: 'The same kernel over mapped pages and over plain allocations.',
  options: {
    cases: {
      value: 'LIST',
      about: Object.keys(cases).join(', '),
      read: read.names(Object.keys(cases)),
      default: Object.keys(cases),
      quick: quickCases,
    },
    budget: budgetOption(60, 12),
  },
  describe: ({ cases: names }) => ({
    protocol: {
      timer: 'CUDA events on the launch stream, no wait of the host within a round',
      order:
        'the two of a backend, shuffled in every round; ratios within rounds, medians, 95 % ' +
        'bootstrap intervals',
      warmUp: `${settleMs} ms of rounds`,
      l2: 'overwritten before every sample; launches rotate through 4 layers',
      allocation: "cuMemAllocFromPoolAsync; cudaMalloc's is measured by bench/gpu/launch.mjs",
      correctness: 'a row against double precision; both subjects bit by bit',
    },
    workload: {
      model: llama.name,
      heads: [llama.queryHeads, llama.kvHeads, llama.headDim],
      dtype: llama.dtype,
      cases: names,
      layouts: { interleaved: `${llama.layers} layers`, split: `${splitLayers} layers` },
    },
  }),
  run,
})
