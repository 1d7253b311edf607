import { resultErrors } from '../result/errors.ts'
import {
  caseKey,
  placedCases,
  unitOf,
  type PlacedCase,
  type Result,
  type SourcedResult,
  type Unit,
} from '../result/index.ts'
import { changesAround, machineChanges, machineDrift, type MachineChange } from './machine.ts'
import { judgedValue, type Judged } from './noise.ts'

/** `unjudged`: nothing says which way is better, or how much the number moves by itself. */
export type Verdict = 'slower' | 'faster' | 'same' | 'unjudged'

/** One metric of one case, in both results. */
export interface ComparedMetric {
  readonly caseName: string
  /** Key in `metrics`. */
  readonly metric: string
  readonly unit: Unit
  readonly a: Judged
  readonly b: Judged
  /**
   * How much worse b is, as a share of the faster of the two: 1 is twice the time or half the rate,
   * and -1 the reverse. null without two positive values.
   */
  readonly worseBy: number | null
  /** The change that counts, as a share; null when it is not judged. */
  readonly limit: number | null
  readonly verdict: Verdict
  /** Why it is not judged. */
  readonly reason?: string
}

/** Two results of one bench, beside each other. */
export interface Comparison {
  readonly a: SourcedResult
  readonly b: SourcedResult
  readonly metrics: readonly ComparedMetric[]
  /** Names of cases that only one of them has. */
  readonly onlyInA: readonly string[]
  readonly onlyInB: readonly string[]
  /** How much the machine itself was slower or faster in b. */
  readonly machine: readonly MachineChange[]
  /** What makes the comparison doubtful: another machine, a smoke run. */
  readonly doubts: readonly string[]
  readonly regressions: readonly ComparedMetric[]
  /** For a command: 3 when there is a regression, else 0. */
  readonly exitStatus: 0 | 3
}

export interface CompareOptions {
  /**
   * Change that counts, as a share: 0.1 is a tenth. Defaults to the larger of 5 % and three times
   * the spread, for each metric, and what the machine itself has changed on top.
   */
  readonly threshold?: number
}

const leastChange = 0.05
const spreads = 3

/**
 * What of b is faster or slower than in a, beyond noise.
 *
 * @param a Before.
 * @param b After.
 * @throws ResultError when they are of different benches
 * @throws RangeError when the threshold is not a positive number
 */
export function compareResults(
  a: SourcedResult,
  b: SourcedResult,
  { threshold }: CompareOptions = {},
): Comparison {
  if (threshold !== undefined && !(threshold > 0 && Number.isFinite(threshold))) {
    throw new RangeError(`threshold: a positive share is required, not ${threshold}`)
  }
  if (a.result.bench !== b.result.bench) {
    throw resultErrors.mismatch(`${a.source} and ${b.source}`, [
      `results of "${a.result.bench}" and of "${b.result.bench}" have nothing in common`,
    ])
  }
  const before = byKey(a.result)
  const after = byKey(b.result)
  const metrics: ComparedMetric[] = []
  const machine = machineChanges(a.result, b.result)
  for (const [key, one] of before) {
    const other = after.get(key)
    if (!other) continue
    const drift = machineDrift(changesAround(a.result.kind, one, other) ?? machine)
    metrics.push(...compareCase(one, other, { threshold, drift }))
  }
  const missing = (from: Map<string, PlacedCase>, to: Map<string, PlacedCase>) =>
    [...from].filter(([key]) => !to.has(key)).map(([, { name }]) => name)
  const regressions = metrics.filter(({ verdict }) => verdict === 'slower')
  return {
    a,
    b,
    metrics,
    onlyInA: missing(before, after),
    onlyInB: missing(after, before),
    machine,
    doubts: doubts(a.result, b.result),
    regressions,
    exitStatus: regressions.length > 0 ? 3 : 0,
  }
}

const byKey = (result: Result) =>
  new Map(placedCases(result).map((one) => [caseKey(one.parameters), one]))

interface Limits {
  readonly threshold: number | undefined
  /** Of the machine, between the runs. */
  readonly drift: number
}

function compareCase(one: PlacedCase, other: PlacedCase, { threshold, drift }: Limits) {
  return Object.keys(one.metrics)
    .filter((metric) => metric in other.metrics)
    .map((metric): ComparedMetric => {
      const unit = unitOf(metric)
      const a = judgedValue(one.metrics[metric]!)
      const b = judgedValue(other.metrics[metric]!)
      const worseBy = change(unit, a.value, b.value)
      const about = { caseName: one.name, metric, unit, a, b, worseBy }
      const unjudged = (reason: string) =>
        ({ ...about, limit: null, verdict: 'unjudged', reason }) as const
      if (unit.better === 'neither') return unjudged('neither way is better')
      if (worseBy === null) return unjudged('not measured in both')
      const known = [a.spread, b.spread].filter((one) => one !== null)
      const noise = known.length < 2 && !unit.exact
      if (noise && threshold === undefined) return unjudged('its spread is not known')
      const limit = threshold ?? limitOf(unit, known, drift)
      const verdict = worseBy > limit ? 'slower' : worseBy < -limit ? 'faster' : 'same'
      return { ...about, limit, verdict }
    })
}

/**
 * What is exact owes nothing to the machine. A ratio within rounds does: where one of the two leans on
 * caches and the other on memory, a machine that has changed in one of them changes their ratio.
 */
function limitOf({ exact }: Unit, spread: readonly number[], drift: number): number {
  const noise = Math.max(leastChange, spreads * Math.max(0, ...spread))
  return exact ? noise : noise + drift
}

function change({ better }: Unit, a: number | null, b: number | null): number | null {
  if (a === null || b === null || a < 0 || b < 0) return null
  if (a === b) return 0
  if (a === 0 || b === 0) return (better === 'lower') === (a === 0) ? Infinity : -Infinity
  const slowdown = better === 'lower' ? b / a : a / b
  return slowdown >= 1 ? slowdown - 1 : 1 - 1 / slowdown
}

function doubts(a: Result, b: Result): string[] {
  const found: string[] = []
  const differ = (what: string, of: (one: Result) => unknown) => {
    if (of(a) !== of(b)) found.push(`${what} differ: ${String(of(a))}, ${String(of(b))}`)
  }
  differ('processors', ({ host }) => host.cpu)
  differ('numbers of cores', ({ host }) => host.cores)
  differ('devices', ({ device }) => device?.name ?? 'CPU')
  differ('drivers', ({ device }) => device?.driver ?? 'none')
  differ('versions of Node', ({ host }) => host.node)
  if (!a.machine || !b.machine) {
    found.push('how fast the machine itself was is not known of both: it may have changed, too')
  }
  for (const [name, { label }] of Object.entries({ a, b })) {
    if (label === 'smoke') found.push(`${name} is a smoke run, which gives no figures`)
  }
  return found
}
