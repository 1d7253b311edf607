import { arrangedBy, stratified } from './quantile-table.ts'
import { nearlyNormal, type Random } from '../harness/random.ts'
import type { GapArrivals, TickArrivals, TraceProfile } from './trace-profile.ts'

/**
 * When requests come, in seconds after the first, ascending: `[count]`.
 *
 * Gaps have their published distribution, and an order in which long ones and short ones keep
 * together as much as they do in the trace. Ticks get requests by chance, more of them towards the end.
 */
export function generateArrivals(
  arrivals: NonNullable<TraceProfile['arrivals']>,
  count: number,
  random: Random,
): number[] {
  return arrivals.kind === 'gaps'
    ? byGaps(arrivals, count, random)
    : byTicks(arrivals, count, random)
}

function byGaps(arrivals: GapArrivals, count: number, random: Random): number[] {
  const { gapSeconds, slowShare, slowPersistence } = arrivals
  const kept = slowPersistence
  const added = Math.sqrt(1 - kept * kept)
  let slow = nearlyNormal(random)
  const keys = Array.from({ length: Math.max(0, count - 1) }, () => {
    slow = kept * slow + added * nearlyNormal(random)
    return Math.sqrt(slowShare) * slow + Math.sqrt(1 - slowShare) * nearlyNormal(random)
  })
  let time = 0
  const gaps = arrangedBy(stratified(gapSeconds, keys.length, random), keys)
  return [0, ...gaps.map((gap) => (time += gap))].slice(0, count)
}

function byTicks(arrivals: TickArrivals, count: number, random: Random): number[] {
  const { tickSeconds, requestsPerSecond, growth } = arrivals
  const seconds = count / requestsPerSecond
  // Given their number, arrivals by chance are independent draws. The rate grows from 1 to `growth`,
  // so the share s of them has come at the x with x + (growth - 1) x^2 / 2 = s (1 + growth) / 2.
  const slope = growth - 1
  const at = (share: number) =>
    slope === 0 ? share : (Math.sqrt(1 + slope * (1 + growth) * share) - 1) / slope
  const times = Array.from({ length: count }, () => at(random.uniform()) * seconds)
  const ticks = times.sort((a, b) => a - b).map((time) => Math.floor(time / tickSeconds))
  return ticks.map((tick) => (tick - ticks[0]!) * tickSeconds)
}
