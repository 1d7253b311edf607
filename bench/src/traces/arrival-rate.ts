import { traceErrors } from './errors.ts'

/** How far an achieved rate may be from the requested one: 2 %. */
export const rateTolerance = 0.02

/**
 * Requests per second by the mean gap, `(n - 1) / (last - first)`: what a process of this rate would
 * have, also with few requests. Null for fewer than two, or when all come at once.
 *
 * @param seconds Ascending. `[n]`
 */
export function rateOf(seconds: readonly number[]): number | null {
  const span = (seconds.at(-1) ?? 0) - (seconds[0] ?? 0)
  return span > 0 ? (seconds.length - 1) / span : null
}

/**
 * Makes sure that requests came at the rate that the figures will be shown for; to be called with a
 * plan, and after a run with the times at which requests were really sent.
 *
 * @param what For the message: `The plan`, `The run`.
 * @param seconds Ascending, at least two. `[n]`
 * @param requested Requests per second.
 * @param tolerance Share of the rate. Defaults to `rateTolerance`.
 * @returns the achieved rate
 * @throws `ERR_VATTENTION_ARRIVAL_RATE` when it is another.
 */
export function assertRate(
  what: string,
  seconds: readonly number[],
  requested: number,
  tolerance: number = rateTolerance,
): number {
  const achieved = rateOf(seconds) ?? (seconds.length < 2 ? 0 : Number.POSITIVE_INFINITY)
  if (Math.abs(achieved - requested) <= tolerance * requested) return achieved
  throw traceErrors.arrivalRate(what, requested, achieved, tolerance)
}
