import { Option } from 'commander'

import { openBackends, type OpenBackends } from '../harness/index.ts'
import { namedCache, namedShape, type Suite, type SuiteContext } from '../suite/index.ts'
import { AttentionBench } from './attention/attention-bench.ts'
import { chunkOf, mixedOf, type Chunk, type Mixed } from './attention/batch-values.ts'
import { promptLengthsOption, threadsOption } from './attention/options.ts'
import { attentionProtocol, attentionWorkload } from './attention/protocol.ts'
import { listOf } from './option-values.ts'
import { prefillBars } from './prefill/bars.ts'
import { measurePrefill, type PrefillSettings } from './prefill/measure-prefill.ts'
import { powerProtocol } from './prefill/power.ts'
import { chunkCell, mixedCell, promptCell, type PrefillCell } from './prefill/prefill-cell.ts'

/** What is measured when nothing is said. */
interface Defaults {
  readonly lengths: readonly number[]
  readonly chunks: readonly Chunk[]
  readonly mixed: readonly Mixed[]
  readonly caches: readonly string[]
}

const k = 1024

const gpu: Defaults = {
  lengths: [0.5, 1, 2, 4, 8, 16, 32, 64, 128, 192].map((thousands) => thousands * k),
  chunks: [512, 2048, 8192].map((chunk) => ({ chunk, tokens: 32 * k })),
  mixed: [
    { chunk: 512, tokens: 8 * k, decoding: 32 },
    { chunk: 2048, tokens: 8 * k, decoding: 64 },
  ],
  caches: ['interleaved', 'split', 'paged-16', 'paged-128', 'paged-256'],
}
const cpu: Defaults = {
  lengths: [512, 1 * k, 2 * k, 4 * k],
  chunks: [{ chunk: 512, tokens: 4 * k }],
  mixed: [{ chunk: 256, tokens: 2 * k, decoding: 16 }],
  caches: ['split', 'interleaved', 'paged-16', 'paged-128'],
}
const quickGpu: Defaults = {
  ...gpu,
  lengths: [8 * k, 32 * k],
  chunks: gpu.chunks.slice(0, 1),
  mixed: gpu.mixed.slice(0, 1),
}
const quickCpu: Defaults = {
  lengths: [512, 1 * k],
  chunks: [{ chunk: 256, tokens: 1 * k }],
  mixed: [{ chunk: 128, tokens: 512, decoding: 4 }],
  caches: ['split', 'interleaved', 'paged-16'],
}

function settingsOf({ settings: { quick } }: SuiteContext): PrefillSettings {
  const rounds = quick ? { most: 4, least: 2, warmUp: 1 } : { most: 40, least: 5, warmUp: 1 }
  const leastMs = quick ? 5 : 25
  return { rounds, leastMs, thorough: true }
}

/** Rounds of long prompts take longer: launches of a GPU are repeated to last, a CPU's are long. */
function weightOf({ device }: SuiteContext, { tokens, parameters }: PrefillCell): number {
  if (parameters.phase !== 'rounds') return 1
  return Math.max(1, device.isGpu ? tokens / 40_000 : (tokens / 2048) ** 2)
}

/** @param open Where the backends come from; tests give theirs. */
export const makePrefill = (open: OpenBackends = openBackends): Suite => ({
  name: 'prefill',
  kind: 'kernel',
  summary:
    'Causal prefill: prompts, chunks of prompts and mixed batches; contiguous against paged, backend by backend.',
  options: () => [
    promptLengthsOption('8192,131072'),
    new Option(
      '--chunks <list>',
      'chunks of prompts, new tokens @ tokens in the cache: 512@32768; "none"',
    ).argParser((text) => (text === 'none' ? [] : listOf(chunkOf)(text))),
    new Option(
      '--mixed <list>',
      'passes of a chunk and decoding sequences: 512@8192+32x8192; "none"',
    ).argParser((text) => (text === 'none' ? [] : listOf(mixedOf)(text))),
    threadsOption(),
  ],
  budgetSeconds: { full: 180, quick: 15 },
  async open(context) {
    const { device, settings, options } = context
    const full = device.isGpu ? gpu : cpu
    const defaults = settings.quick ? (device.isGpu ? quickGpu : quickCpu) : full
    const shapes = settings.shapes ?? [namedShape('llama-3-8b')]
    const caches = settings.caches ?? defaults.caches.map(namedCache)
    const threads = options.threads as number | undefined
    const lengths = [...((options.lengths as number[] | undefined) ?? defaults.lengths)]
    const chunks = (options.chunks as Chunk[] | undefined) ?? defaults.chunks
    const mixed = (options.mixed as Mixed[] | undefined) ?? defaults.mixed
    const measured = settingsOf(context)
    const bench = await AttentionBench.open(context, open, threads)
    const cells = shapes.flatMap((shape) => {
      // The shorter ones tell how long the longer ones will take.
      lengths.sort((a, b) => a - b)
      const pairings = bench.pairings(shape, caches, ['prefill'])
      return [
        ...lengths.map((tokens) => promptCell(shape, tokens)),
        ...chunks.map((one) => chunkCell(shape, one)),
        ...mixed.map((one) => mixedCell(shape, one)),
      ].map((cell) => ({
        name: shapes.length > 1 ? `${shape.name}, ${cell.where}` : cell.where,
        weight: weightOf(context, cell),
        measure: (budgetMs: number) => measurePrefill(bench, cell, pairings, measured, budgetMs),
      }))
    })
    return {
      protocol: {
        ...attentionProtocol(context, measured.leastMs, threads),
        ...(device.isGpu && powerProtocol(settings.quick)),
        flop: '4 x pairs x query heads x head dim; masked pairs do not count',
      },
      workload: {
        ...attentionWorkload(shapes),
        lengths,
        chunks: chunks.map((one) => ({ ...one })),
        mixed: mixed.map((one) => ({ ...one })),
        caches: caches.map(({ name }) => name),
      },
      cells,
      conclude: () => prefillBars(context),
      close: () => bench[Symbol.dispose](),
    }
  },
})

/** Prompts over contiguous and paged caches. */
export const prefill = makePrefill()
