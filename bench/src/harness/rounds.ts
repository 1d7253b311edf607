import { setTimeout as sleep } from 'node:timers/promises'

import type { Clock } from './clock.ts'
import { shuffle, type Random } from './random.ts'

/** What `interleave` measures, and for how long. */
export interface Rounds<Pending, Sample> {
  /** By name: what enqueues or does one measurement. */
  readonly subjects: Readonly<Record<string, () => Pending | Promise<Pending>>>
  /** Called after each round: waits for the device. */
  readonly endRound?: () => Promise<void>
  /**
   * After each round, so that rounds of little work lie seconds apart: on a shared machine somebody
   * else's work slows single calls down for tenths of a second, and short rounds without a rest would
   * all fall into such a time, or all beside it. Defaults to none.
   */
  readonly restMs?: number
  /** After each round, and before its rest: `SuiteContext.glance`. Defaults to nothing. */
  readonly glance?: () => void
  /** A sample of what a measurement left, made after `endRound`. */
  readonly collect: (name: string, pending: Pending) => Sample
  readonly most: number
  /** Measured whatever the budget says. Defaults to `3`. */
  readonly least?: number
  /** Defaults to no limit. */
  readonly budgetMs?: number
  /** Rounds before the first that counts. Defaults to `1`. */
  readonly warmUp?: number
  readonly clock: Clock
  readonly random: Random
  /** Aborted: no other measurement begins, and the round that is not whole is dropped. */
  readonly signal?: AbortSignal
}

/** When rounds go on, unless something else is said. */
export type RoundLimits = Omit<Rounds<never, never>, 'subjects' | 'endRound' | 'restMs' | 'collect'>

/**
 * Measures subjects against each other: every round measures each of them once, in an order of its
 * own, so that neither a drift of clocks nor a fixed neighbour decides. Goes on until `most` rounds
 * are done or the budget is spent.
 *
 * @returns samples by subject, in the order of the rounds; of an aborted one those there are
 */
export async function interleave<Pending, Sample>({
  subjects,
  endRound = () => Promise.resolve(),
  restMs,
  glance = () => undefined,
  collect,
  most,
  least = 3,
  budgetMs = Infinity,
  warmUp = 1,
  clock,
  random,
  signal,
}: Rounds<Pending, Sample>): Promise<Record<string, Sample[]>> {
  const names = Object.keys(subjects)
  const samples = Object.fromEntries(names.map((name): [string, Sample[]] => [name, []]))
  const started = clock.now()
  let longestRound = 0
  for (let round = -warmUp; round < most; round++) {
    const begun = clock.now()
    if (round >= least && begun - started + longestRound > budgetMs) break
    const pending: [string, Pending][] = []
    for (const name of shuffle([...names], random)) {
      if (signal?.aborted) break
      pending.push([name, await subjects[name]!()])
    }
    await endRound()
    glance()
    if (restMs !== undefined) await sleep(restMs)
    if (pending.length < names.length) break
    if (round >= 0) for (const [name, one] of pending) samples[name]!.push(collect(name, one))
    longestRound = Math.max(longestRound, clock.now() - begun)
  }
  return samples
}
