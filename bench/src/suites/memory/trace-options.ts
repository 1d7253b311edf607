import { basename } from 'node:path'

import { Option } from 'commander'

import {
  fittingDivisor,
  generateTrace,
  readTrace,
  scaleTrace,
  traceProfiles,
  type Trace,
  type TraceScale,
} from '../../traces/index.ts'
import type { SuiteContext } from '../../suite/index.ts'
import { bytes, count, listOf, positive, wordOf } from '../option-values.ts'
import { optionNumber } from './describe.ts'

/** Options of suites that replay traces against a cache. */
export const traceOptions = (): Option[] => [
  new Option(
    '--trace <files>',
    'traces to replay, with commas: Azure or arXiv CSV, Mooncake JSON lines',
  ).argParser(listOf(String)),
  new Option('--profile <names>', 'traces to generate like published ones').argParser(
    listOf(wordOf(...traceProfiles.keys())),
  ),
  new Option('--requests <count>', 'rows of each trace').argParser(count()),
  new Option('--length-divisor <factor>', 'what lengths are divided by').argParser(count()),
  new Option('--max-total-tokens <count>', 'of prompt and output, after dividing').argParser(
    count(2),
  ),
  new Option('--memory <size>', 'that a cache may hold: 512MiB').argParser(bytes),
  new Option('--seconds-per-step <seconds>', 'simulated time of a step').argParser(positive),
]

/** What such a suite replays unless its options say otherwise. */
export interface TraceDefaults {
  readonly profiles: readonly string[]
  readonly requests: number
  readonly maxTotalTokens: number
  /** Rows that are looked through for each that is replayed. Defaults to `1`. */
  readonly candidates?: number
  /** What is kept of those, the first rows of it. Defaults to all. */
  readonly select?: (trace: Trace) => Trace
}

/** A trace as it is replayed. */
export interface ReplayedTrace {
  readonly name: string
  readonly trace: Trace
  readonly scale: TraceScale
  /** Tokens of the longest request. */
  readonly longest: number
}

/**
 * Reads or generates the traces, and divides lengths until all rows fit; of traces with shared blocks
 * as far as those allow it, and longer rows are left out.
 */
export async function openTraces(
  context: SuiteContext,
  defaults: TraceDefaults,
): Promise<ReplayedTrace[]> {
  const { options, settings } = context
  const requests = optionNumber(context, 'requests', defaults.requests)
  const maxTotalTokens = optionNumber(context, 'maxTotalTokens', defaults.maxTotalTokens)
  const { seed } = settings
  const { candidates = 1, select = (trace: Trace) => trace } = defaults
  const files = options.trace as readonly string[] | undefined
  const profiles = (options.profile as readonly string[] | undefined) ?? defaults.profiles
  const found = files
    ? await Promise.all(
        files.map(async (file) => ({
          name: basename(file),
          trace: await readTrace(file, { maxRows: candidates * requests }),
        })),
      )
    : profiles.map((name) => ({
        name,
        trace: generateTrace(name, { requests: candidates * requests, seed }),
      }))
  return found.flatMap(({ name, trace: all }) => {
    const chosen = select(all)
    const trace = { ...chosen, requests: chosen.requests.slice(0, requests) }
    if (trace.requests.length === 0) return []
    const lengthDivisor = optionNumber(
      context,
      'lengthDivisor',
      Math.min(fittingDivisor(trace, maxTotalTokens), largestDivisor(trace)),
    )
    const scaled = scaleTrace(trace, { lengthDivisor, maxTotalTokens })
    const totals = scaled.trace.requests.map((one) => one.promptTokens + one.outputTokens)
    return [{ name, ...scaled, longest: Math.max(...totals) }]
  })
}

/** Tokens of the blocks by which caches know prefixes. */
const prefixBlockTokens = 16

/** Blocks that a trace knows to be shared stay large enough for a cache to find them. */
const largestDivisor = ({ blockTokens }: Trace): number =>
  blockTokens === undefined ? Infinity : Math.max(1, Math.floor(blockTokens / prefixBlockTokens))

/** Traces as results describe them. */
export const traceNumbers = ({ name, trace: { source }, scale, longest }: ReplayedTrace) => ({
  trace: name,
  source: source.kind === 'file' ? `file ${source.sha256}` : `generated, seed ${source.seed}`,
  rows: scale.rows,
  rowsTooLong: scale.rowsTooLong,
  lengthDivisor: scale.lengthDivisor,
  requestsPerSecond: scale.requestsPerSecond,
  longest,
})
