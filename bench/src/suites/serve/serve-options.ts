import { Option } from 'commander'

import { modelShapes, type ModelShapeName } from '@vattention/engine'

import { mlperfServiceLevels, type ServiceLevel } from '../../serving/index.ts'
import { traceProfiles } from '../../traces/index.ts'
import { bytes, count, listOf, positive, wordOf } from '../option-values.ts'
import { serviceLevel, serviceLevelNames } from './service-level-option.ts'

/** All requests at once, or each at its time. */
export type ServeKind = 'offline' | 'online'

/** How requests come in the online case. */
export type ServeArrivals = 'poisson' | 'replayed'

/** What a serving suite is told, with its defaults. */
export interface ServeOptions {
  /** Files to read. Absent: traces are generated. */
  readonly traces?: readonly string[]
  /** Of generated traces. */
  readonly profiles: readonly string[]
  /** Rows of each trace. */
  readonly requests: number
  /** Absent: the smallest power of two with which nine rows of ten fit. */
  readonly lengthDivisor?: number
  /** Of prompt and output, after dividing. */
  readonly maxTotalTokens: number
  /** Put before every prompt of a trace that says nothing of common beginnings. */
  readonly commonTokens: number
  /** Requests that run at once. */
  readonly maxSequences: number
  /** Tokens of a pass. Absent: the engine's own. */
  readonly tokenBudget?: number
  /** Memory of the cache, in bytes. */
  readonly limitBytes: number
  /** Of all keys and values of the trace: memory of the runs that lack it. 0: no such runs. */
  readonly scarceShare: number
  /** File or folder. Absent: the demo's. */
  readonly model?: string
  /** Random weights instead of a model. */
  readonly shape?: ModelShapeName
  /** Absent: all cores. */
  readonly threads?: number
  /** Most rounds. */
  readonly rounds: number
  /** Limits for goodput; null: none. */
  readonly serviceLevel: ServiceLevel | null
  readonly arrivals: readonly ServeArrivals[]
  /** Requests per second. Absent: shares of what is served offline. */
  readonly rates?: readonly number[]
  /** Arrivals as shares of the requests per second that are served offline. */
  readonly loads: readonly number[]
}

const sharedOptions = (): Option[] => [
  new Option(
    '--trace <files>',
    'traces to serve, with commas: Azure or arXiv CSV, Mooncake JSON lines',
  ).argParser(listOf(String)),
  new Option('--profile <names>', 'traces to generate like published ones').argParser(
    listOf(wordOf(...traceProfiles.keys())),
  ),
  new Option('--requests <n>', 'rows of each trace').argParser(count()),
  new Option(
    '--length-divisor <n>',
    'what all lengths are divided by (default: the smallest power of two with which 90 % of the rows fit)',
  ).argParser(positive),
  new Option('--max-total-tokens <n>', 'longest prompt and output, after dividing').argParser(
    count(2),
  ),
  new Option(
    '--common-tokens <n>',
    'put before every prompt, where the trace says nothing of common beginnings',
  ).argParser(count(0)),
  new Option('--max-sequences <n>', 'requests that run at once').argParser(count()),
  new Option('--token-budget <n>', 'tokens of one pass').argParser(count()),
  new Option('--limit <size>', 'memory of the cache (default: 1GiB)').argParser(bytes),
  new Option('--model <path>', "GGUF file or folder with safetensors (default: the demo's model)"),
  new Option('--shape <name>', 'random weights of this shape instead of a model').choices(
    Object.keys(modelShapes),
  ),
  new Option('--threads <n>', 'CPU threads (default: all cores)').argParser(count()),
  new Option('--rounds <n>', 'most rounds').argParser(count()),
  new Option('--slo <limits>', `for goodput: ${serviceLevelNames}`).argParser(serviceLevel),
]

/** The options of a serving suite. */
export function serveOptionList(kind: ServeKind): Option[] {
  if (kind === 'offline') {
    return [
      ...sharedOptions(),
      new Option(
        '--scarce <share>',
        'also with memory for this share of all keys and values; 0: not (default: 0.2)',
      ).argParser((text) => (text === '0' ? 0 : positive(text))),
    ]
  }
  return [
    ...sharedOptions(),
    new Option('--arrivals <kinds>', 'poisson, replayed (default: both)').argParser(
      listOf(wordOf('poisson', 'replayed')),
    ),
    new Option('--rates <list>', 'requests per second')
      .argParser(listOf(positive))
      .conflicts('loads'),
    new Option(
      '--loads <list>',
      'arrivals as shares of the requests per second that are served offline',
    ).argParser(listOf(positive)),
  ]
}

/** What was given on the command line, by the names that commander gives. */
interface Given {
  readonly trace?: string[]
  readonly profile?: string[]
  readonly requests?: number
  readonly lengthDivisor?: number
  readonly maxTotalTokens?: number
  readonly commonTokens?: number
  readonly maxSequences?: number
  readonly tokenBudget?: number
  readonly limit?: number
  readonly scarce?: number
  readonly model?: string
  readonly shape?: ModelShapeName
  readonly threads?: number
  readonly rounds?: number
  readonly slo?: ServiceLevel | null
  readonly arrivals?: ServeArrivals[]
  readonly rates?: number[]
  readonly loads?: number[]
}

/** Options with the defaults of a quick or a full run. */
export function resolveServeOptions(
  kind: ServeKind,
  quick: boolean,
  options: Readonly<Record<string, unknown>>,
): ServeOptions {
  const given = options as Given
  const maybe = <K extends string, T>(key: K, value: T | undefined) =>
    (value === undefined ? {} : { [key]: value }) as Readonly<Partial<Record<K, T>>>
  return {
    ...maybe('traces', given.trace),
    profiles: given.profile ?? defaultProfiles(kind, quick),
    // Three rounds of every candidate take about as long as the budget says, on two cores.
    requests: given.requests ?? (quick ? 6 : 24),
    ...maybe('lengthDivisor', given.lengthDivisor),
    maxTotalTokens: given.maxTotalTokens ?? (quick ? 160 : 2048),
    commonTokens: given.commonTokens ?? (quick ? 64 : 256),
    maxSequences: given.maxSequences ?? (quick ? 8 : 16),
    ...maybe('tokenBudget', given.tokenBudget),
    limitBytes: given.limit ?? 2 ** 30,
    scarceShare: given.scarce ?? 0.2,
    ...maybe('model', given.model),
    ...maybe('shape', given.shape),
    ...maybe('threads', given.threads),
    rounds: given.rounds ?? (quick ? 3 : 10),
    serviceLevel: given.slo === undefined ? mlperfServiceLevels['llama-3.1-8b'] : given.slo,
    arrivals: given.arrivals ?? ['poisson', 'replayed'],
    ...maybe('rates', given.rates),
    loads: given.loads ?? (quick ? [0.7] : [0.5, 0.8]),
  }
}

function defaultProfiles(kind: ServeKind, quick: boolean): string[] {
  if (quick) return ['azure-2023-conv']
  if (kind === 'online') return ['mooncake-conversation', 'azure-2023-conv', 'arxiv-sample']
  return ['mooncake-conversation', 'azure-2023-conv', 'arxiv-long-offline']
}
