import { generateArrivals } from './generate-arrivals.ts'
import { generateOutputs, generatePrompts, limitRatio } from './generate-lengths.ts'
import { generateSharing } from './generate-sharing.ts'
import { traceErrors } from './errors.ts'
import { traceProfiles } from './profiles/index.ts'
import { randomOf } from '../harness/random.ts'
import type { Trace } from './trace.ts'
import type { TraceProfile } from './trace-profile.ts'

/** What to generate. */
export interface GenerateTraceOptions {
  /** Rows. Defaults to as many as the published trace has. */
  readonly requests?: number
  /** A whole number: the same seed gives the same trace. Defaults to `0`. */
  readonly seed?: number
}

/** Independent random sequences of one seed, so that a change in one part leaves the others. */
const streams = { arrivals: 1, prompts: 2, outputs: 3 } as const

/**
 * Makes a trace with the statistics of a published one: quantiles of lengths, rate and burstiness of
 * arrivals, common beginnings of prompts. No row is one of the published file's.
 *
 * @param profile A profile, or the name of one of `traceProfiles`.
 * @throws `ERR_VATTENTION_TRACE_SCALE` for an unknown name or a number of requests below 1.
 * @example
 * ```ts
 * const trace = generateTrace('azure-2023-code', { requests: 500, seed: 7 })
 * ```
 */
export function generateTrace(
  profile: TraceProfile | string,
  options: GenerateTraceOptions = {},
): Trace {
  const found = typeof profile === 'string' ? traceProfiles.get(profile) : profile
  if (found === undefined) {
    const known = [...traceProfiles.keys()].join(', ')
    throw traceErrors.scale(`There is no profile ${String(profile)}; there are ${known}.`)
  }
  const { requests: count = found.requests, seed = 0 } = options
  if (!Number.isSafeInteger(count) || count < 1) {
    throw traceErrors.scale(`A trace has at least 1 request; ${count} were asked for.`)
  }
  const { arrivals, sharing } = found
  const times = arrivals && generateArrivals(arrivals, count, randomOf(seed, streams.arrivals))
  const random = randomOf(seed, streams.prompts)
  const shared = sharing && generateSharing(found, sharing, times ?? zeros(count), random)
  const prompts = shared?.promptTokens ?? generatePrompts(found.promptTokens, count, random)
  const order = randomOf(seed, streams.outputs)
  const outputs = generateOutputs(found.outputTokens, prompts, found.rankCorrelation, order)
  if (found.largestRatio !== undefined) {
    limitRatio({ promptTokens: prompts, outputTokens: outputs }, found.largestRatio, order)
  }
  return {
    format: 'generated',
    source: { kind: 'generated', profile: found.name, seed },
    requests: prompts.map((promptTokens, i) => ({
      ...(times && { arrivalSeconds: times[i]! }),
      promptTokens,
      outputTokens: outputs[i]!,
      ...(shared && { blockHashes: shared.blockHashes[i]! }),
    })),
    ...(sharing && { blockTokens: sharing.blockTokens }),
  }
}

const zeros = (count: number) => new Array<number>(count).fill(0)
