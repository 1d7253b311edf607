import { setTimeout as sleep } from 'node:timers/promises'

import {
  checkedSubjects,
  launchesFor,
  passTokens,
  probe,
  QueryRows,
  Subject,
  timeRounds,
  type FilledCache,
  type Sample,
  type TimedSubject,
} from '../../harness/index.ts'
import type { NamedCache } from '../../suite/index.ts'
import type { AttentionBench, Pairing } from './attention-bench.ts'
import type { AttentionCell, LiveSubject, RoundCounts } from './attention-cell.ts'
import { learnPace, takesTooLong, timeSmallPass } from './cell-time.ts'
import { fillCache } from './fill-cache.ts'

export type { AttentionCell, LiveSubject, RoundCounts } from './attention-cell.ts'

/** Caches that are filled and subjects over them that compute attention, ready to be timed. */
export class LiveCell {
  readonly #bench: AttentionBench
  readonly #cell: AttentionCell
  readonly #filled = new Map<NamedCache, FilledCache>()
  readonly #subjects: LiveSubject[] = []
  #rows: QueryRows | undefined

  private constructor(bench: AttentionBench, cell: AttentionCell) {
    this.#bench = bench
    this.#cell = cell
  }

  /**
   * Fills the caches, makes the subjects and compares them with the oracle. What does not fit into
   * memory or time, what a backend does not serve and what is wrong is recorded with its reason.
   *
   * @returns undefined when there is nothing to time
   */
  static async open(
    bench: AttentionBench,
    cell: AttentionCell,
    rounds: RoundCounts,
    budgetMs: number,
  ): Promise<LiveCell | undefined> {
    const live = new LiveCell(bench, cell)
    let ready = false
    try {
      ready = await live.#open(rounds, budgetMs)
    } finally {
      if (!ready) await live.close()
    }
    return ready ? live : undefined
  }

  /** In the order of the cell's pairings. */
  get subjects(): readonly LiveSubject[] {
    return this.#subjects
  }

  /** The rows that the subjects of this cell take and write. */
  get rows(): QueryRows {
    return this.#rows!
  }

  /** The cell's cache of a kind. */
  filled(cache: NamedCache): FilledCache {
    return this.#filled.get(cache)!
  }

  /** How much out of order the blocks of the paged caches are, by cache. */
  scatters(): Map<NamedCache, number> {
    const found = new Map<NamedCache, number>()
    for (const [cache, { scatter }] of this.#filled) {
      if (scatter !== undefined) found.set(cache, scatter)
    }
    return found
  }

  /**
   * Times all subjects, and what else there is, in shuffled rounds.
   *
   * @returns samples by name; those of an interrupted one are the rounds that were whole
   */
  async time(
    rounds: RoundCounts,
    budgetMs: number,
    others: ReadonlyMap<string, TimedSubject> = new Map(),
  ): Promise<Record<string, Sample[]>> {
    const { device, clock, random, signal, recorder, glance } = this.#bench.context
    const own = this.#subjects.map(({ name, timed }) => [name, timed] as const)
    const measured = new Map<string, TimedSubject>([...own, ...others])
    const limits = { ...rounds, budgetMs, clock, random, signal, glance }
    const samples = await timeRounds(device, measured, limits)
    if (signal.aborted && Object.values(samples).every(({ length }) => length === 0)) {
      recorder.skip(this.#cell.where, 'interrupted before its first round')
    }
    // Readings of clocks are written a moment later.
    if (device.isGpu) await sleep(150)
    this.#bench.telemetry.read()
    return samples
  }

  /** Waits for what is in flight. */
  async close(): Promise<void> {
    await this.#bench.context.device.synchronize()
    for (const { subject } of this.#subjects) subject[Symbol.dispose]()
    for (const filled of this.#filled.values()) await filled.dispose()
    this.#rows?.[Symbol.dispose]()
    this.#subjects.length = 0
    this.#filled.clear()
    this.#rows = undefined
  }

  async #open(rounds: RoundCounts, budgetMs: number): Promise<boolean> {
    const { where, shape, pass, pairings } = this.#cell
    const { device, recorder, signal } = this.#bench.context
    const tooLong = (of: readonly Pairing[]) =>
      takesTooLong(this.#bench, this.#cell, of, rounds, budgetMs)
    if (pairings.length === 0 || tooLong(pairings)) return false
    try {
      const { queries } = this.#bench.noiseOf(shape)
      this.#rows = new QueryRows(device, shape, passTokens(pass), queries)
    } catch (error) {
      recorder.skip(where, error)
      return false
    }
    for (const cache of new Set(pairings.map((one) => one.cache))) {
      if (signal.aborted) break
      const filled = await fillCache(this.#bench, this.#cell, cache)
      if (filled) this.#filled.set(cache, filled)
    }
    const usable: Pairing[] = []
    for (const one of pairings) {
      if (signal.aborted || !this.#filled.has(one.cache)) continue // told already
      if (await timeSmallPass(this.#bench, this.#cell, one, () => this.#make(one))) usable.push(one)
    }
    if (tooLong(usable)) return false
    for (const one of usable) if (!signal.aborted) await this.#check(one)
    if (signal.aborted) recorder.skip(where, 'interrupted before its first round')
    return !signal.aborted && this.#subjects.length > 0
  }

  #make({ backend, cache }: Pairing): Subject {
    const { device } = this.#bench.context
    const maxTokens = passTokens(this.#cell.pass)
    return new Subject({ device, backend, filled: this.filled(cache), rows: this.rows, maxTokens })
  }

  /** Compares a subject with the oracle, and finds out how many launches a sample of it needs. */
  async #check(pairing: Pairing): Promise<void> {
    const { where, pass, leastMs, thorough = true, rotation } = this.#cell
    const { device, recorder } = this.#bench.context
    const { name } = pairing
    const makers = new Map([[name, () => this.#make(pairing)]])
    const checked = await checkedSubjects(makers, pass, recorder, where, { thorough })
    const found = checked.get(name)
    if (!found) return
    const launchMs = await probe(device, found.subject, rotation.layers)
    learnPace(this.#bench, this.#cell, pairing, launchMs)
    const launches = Math.max(
      rotation.leastLaunches,
      launchesFor(launchMs, leastMs, rotation.mostLaunches),
    )
    const timed = { subject: found.subject, layers: rotation.layers, launches }
    this.#subjects.push({ ...pairing, ...found, timed, launchMs })
  }
}
