/**
 * Scaling a trace to a machine, by one rule:
 *
 * 1. the first `maxRows` rows are kept;
 * 2. every length is divided by one factor and rounded up, and so is the size of blocks;
 * 3. rows that are longer than `maxTotalTokens` even so are left out, and counted;
 * 4. arrivals are brought closer together, or further apart, by one factor, the first at 0.
 */
import { max } from 'd3-array'

import { rateOf } from './arrival-rate.ts'
import { traceErrors } from './errors.ts'
import type { Trace, TraceRequest } from './trace.ts'

/** What to scale. */
export interface ScaleTraceOptions {
  /** Rows to keep, from the first on. Defaults to all. */
  readonly maxRows?: number
  /** What lengths are divided by, 1 or more; must divide the tokens of a block. Defaults to `1`. */
  readonly lengthDivisor?: number
  /** Tokens of prompt and output together, after dividing. Defaults to no bound. */
  readonly maxTotalTokens?: number
  /** How many times as many requests come in a second. Defaults to `1`. Not with `requestsPerSecond`. */
  readonly rateFactor?: number
  /** The rate that arrivals are brought to. Defaults to the trace's own. Not with `rateFactor`. */
  readonly requestsPerSecond?: number
}

/** What was done to a trace: belongs in the result beside the figures. */
export interface TraceScale {
  /** Rows of the trace before. */
  readonly rowsBefore: number
  /** Rows of the trace after. */
  readonly rows: number
  /** Rows that were left out because they are longer than `maxTotalTokens`. */
  readonly rowsTooLong: number
  readonly lengthDivisor: number
  /** The bound in force; null without one. */
  readonly maxTotalTokens: number | null
  /** 1 for a trace without arrivals. */
  readonly rateFactor: number
  /** Of the trace after, by its gaps; null without arrivals or when all come at once. */
  readonly requestsPerSecond: number | null
}

/** A trace, and how it was scaled. */
export interface ScaledTrace {
  readonly trace: Trace
  readonly scale: TraceScale
}

/**
 * Scales a trace by the rule at the head of this file.
 *
 * @throws `ERR_VATTENTION_TRACE_SCALE` for a divisor that does not divide the tokens of a block, for
 * a rate where the trace has no arrivals, for options out of range, and when no row is left.
 */
export function scaleTrace(trace: Trace, options: ScaleTraceOptions = {}): ScaledTrace {
  checkOptions(trace, options)
  const { maxRows, lengthDivisor = 1, maxTotalTokens } = options
  const most = maxTotalTokens ?? Number.POSITIVE_INFINITY
  const cut = trace.requests.slice(0, maxRows)
  const divided = cut.map((request) => ({
    ...request,
    promptTokens: Math.ceil(request.promptTokens / lengthDivisor),
    outputTokens: Math.ceil(request.outputTokens / lengthDivisor),
  }))
  const kept = divided.filter(
    ({ promptTokens, outputTokens }) => promptTokens + outputTokens <= most,
  )
  if (kept.length === 0) {
    throw traceErrors.scale(
      `None of ${cut.length} rows has at most ${String(maxTotalTokens)} tokens. ` +
        `A lengthDivisor of ${fittingDivisor({ ...trace, requests: cut }, most)} would do.`,
    )
  }
  const rateFactor = factorOf(kept, options)
  const requests = kept.map((request) => scaleArrival(request, kept[0]!, rateFactor))
  const { blockTokens } = trace
  return {
    trace: {
      ...trace,
      requests,
      ...(blockTokens !== undefined && { blockTokens: blockTokens / lengthDivisor }),
    },
    scale: {
      rowsBefore: trace.requests.length,
      rows: requests.length,
      rowsTooLong: cut.length - kept.length,
      lengthDivisor,
      maxTotalTokens: maxTotalTokens ?? null,
      rateFactor,
      requestsPerSecond: rateOf(arrivalsOf(requests)),
    },
  }
}

/** The smallest power of two that, as `lengthDivisor`, leaves every row within `maxTotalTokens`. */
export function fittingDivisor(trace: Trace, maxTotalTokens: number): number {
  if (!(maxTotalTokens >= 2)) {
    throw traceErrors.scale(`A request has 2 tokens at least; ${maxTotalTokens} cannot fit any.`)
  }
  const longest = (divisor: number) =>
    max(
      trace.requests,
      ({ promptTokens, outputTokens }) =>
        Math.ceil(promptTokens / divisor) + Math.ceil(outputTokens / divisor),
    ) ?? 0
  let divisor = 1
  while (longest(divisor) > maxTotalTokens) divisor *= 2
  return divisor
}

/** Arrivals of requests that have one. */
export function arrivalsOf(requests: readonly TraceRequest[]): number[] {
  return requests.flatMap(({ arrivalSeconds }) =>
    arrivalSeconds === undefined ? [] : [arrivalSeconds],
  )
}

function checkOptions({ blockTokens }: Trace, options: ScaleTraceOptions): void {
  const { maxRows, lengthDivisor, maxTotalTokens, rateFactor, requestsPerSecond } = options
  const check = (name: string, value: number | undefined, expected: string, holds: boolean) => {
    if (value === undefined || holds) return
    throw traceErrors.scale(`Expected ${expected} for ${name}, received ${value}.`)
  }
  check('maxRows', maxRows, 'a whole number of at least 1', isCount(maxRows))
  check(
    'maxTotalTokens',
    maxTotalTokens,
    'a whole number of at least 2',
    isCount(maxTotalTokens, 2),
  )
  const divisorExpected =
    blockTokens === undefined
      ? 'a number of at least 1'
      : `a whole number that divides a block's ${blockTokens} tokens`
  const divisorHolds =
    lengthDivisor === undefined ||
    (blockTokens === undefined
      ? lengthDivisor >= 1 && Number.isFinite(lengthDivisor)
      : isCount(lengthDivisor) && blockTokens % lengthDivisor === 0)
  check('lengthDivisor', lengthDivisor, divisorExpected, divisorHolds)
  const isRate = (value: number | undefined) => Number.isFinite(value) && value! > 0
  check('rateFactor', rateFactor, 'a number above 0', isRate(rateFactor))
  check('requestsPerSecond', requestsPerSecond, 'a number above 0', isRate(requestsPerSecond))
  if (rateFactor !== undefined && requestsPerSecond !== undefined) {
    throw traceErrors.scale('Give rateFactor or requestsPerSecond, not both.')
  }
}

const isCount = (value: number | undefined, least = 1) =>
  Number.isSafeInteger(value) && value! >= least

function factorOf(requests: readonly TraceRequest[], options: ScaleTraceOptions): number {
  const { rateFactor, requestsPerSecond } = options
  if (rateFactor === undefined && requestsPerSecond === undefined) return 1
  const own = rateOf(arrivalsOf(requests))
  if (own === null) {
    throw traceErrors.scale(
      'This trace has no arrivals over time, so there is no rate to scale: plan Poisson arrivals.',
    )
  }
  return rateFactor ?? requestsPerSecond! / own
}

function scaleArrival(request: TraceRequest, first: TraceRequest, factor: number): TraceRequest {
  if (request.arrivalSeconds === undefined) return request
  const since = request.arrivalSeconds - (first.arrivalSeconds ?? 0)
  return { ...request, arrivalSeconds: since / factor }
}
