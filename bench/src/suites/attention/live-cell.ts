import {
  cacheBytes,
  checkedSubjects,
  FilledCache,
  launchesFor,
  passTokens,
  probe,
  QueryRows,
  Subject,
  timeRounds,
  WrongResult,
  type AttentionPass,
  type Sample,
  type TimedSubject,
} from '../../harness/index.ts'
import type { NamedCache, NamedShape } from '../../suite/index.ts'
import type { AttentionBench, Pairing } from './attention-bench.ts'
import { layersOf, type Rotation } from './rotation.ts'

/** One thing that kernels over caches are timed at. */
export interface AttentionCell {
  /** For people, and for what is skipped: `16 x 1K`. */
  readonly where: string
  readonly shape: NamedShape
  readonly pairings: readonly Pairing[]
  readonly sequences: number
  /** Tokens that the caches hold of each sequence. */
  readonly length: number
  readonly pass: AttentionPass
  readonly rotation: Rotation
  /** Work of a pass in one layer, in the unit of its rate: what estimates are made of. */
  readonly workOf: (pass: AttentionPass) => number
  /** What is alike fast: `prefill`. */
  readonly pace: string
  /** A sample lasts so long at least. */
  readonly leastMs: number
  /** Whether the oracle looks at more than one row: see `Subject.check`. Defaults to `true`. */
  readonly thorough?: boolean
}

/** How many rounds there are. */
export interface RoundCounts {
  readonly most: number
  readonly least: number
  readonly warmUp: number
}

/** A subject that is right, and how it is timed. */
export interface LiveSubject extends Pairing {
  readonly subject: Subject
  readonly timed: TimedSubject
  /** Of one launch, before the rounds. */
  readonly launchMs: number
  readonly maxError: number
}

/** Memory that is left alone: of drivers, and of what else runs. */
const reserveBytes = { gpu: 3 * 2 ** 30, cpu: 2 ** 30 }

/** Tokens of each sequence in the pass that tells how fast a kernel is. */
const smallPass = { query: 64, kv: 1024 }

/** A pass that is larger than this many small ones is estimated before it is run. */
const worthEstimating = 8

/** Launches of a subject before its rounds: check and probe. */
const launchesBefore = 3

/** The least rounds may take so much more than a cell's budget. */
const patience = 2

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

  /** How much out of order the blocks of the paged caches are, by cache. */
  scatters(): Map<NamedCache, number> {
    const found = new Map<NamedCache, number>()
    for (const [cache, { scatter }] of this.#filled) {
      if (scatter !== undefined) found.set(cache, scatter)
    }
    return found
  }

  /** The rows that the subjects of this cell take and write. */
  get rows(): QueryRows {
    return this.#rows!
  }

  filled(cache: NamedCache): FilledCache {
    return this.#filled.get(cache)!
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
    const { device, clock, random, signal, recorder } = this.#bench.context
    const own = this.#subjects.map(({ name, timed }) => [name, timed] as const)
    const measured = new Map<string, TimedSubject>([...own, ...others])
    const limits = { ...rounds, budgetMs, clock, random, signal }
    const samples = await timeRounds(device, measured, limits)
    if (signal.aborted && Object.values(samples).every(({ length }) => length === 0)) {
      recorder.skip(this.#cell.where, 'interrupted before its first round')
    }
    // Readings of clocks are written a moment later.
    if (device.isGpu) await new Promise((resolve) => setTimeout(resolve, 150))
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
    const { where, shape, pass, pairings, rotation } = this.#cell
    const { recorder, signal } = this.#bench.context
    const launches = rounds.least + rounds.warmUp + launchesBefore
    const tooLong = (names: readonly Pairing[]) => {
      const ms = launches * this.#estimate(names)
      if (ms <= patience * budgetMs) return false
      const seconds = (value: number) => (value / 1000).toPrecision(2)
      const what = `${names.length} subjects and ${rounds.least} rounds take about`
      recorder.skip(where, `${what} ${seconds(ms)} s, and it has ${seconds(budgetMs)} s`)
      return true
    }
    if (pairings.length === 0 || tooLong(pairings)) return false
    const { queries } = this.#bench.noiseOf(shape)
    try {
      this.#rows = new QueryRows(this.#bench.context.device, shape, passTokens(pass), queries)
    } catch (error) {
      recorder.skip(where, error)
      return false
    }
    for (const cache of new Set(pairings.map((one) => one.cache))) await this.#fill(cache)
    const makers = new Map<Pairing, () => Subject>()
    for (const pairing of pairings) {
      if (!this.#filled.has(pairing.cache)) continue // told already
      if (await this.#learnPace(pairing)) makers.set(pairing, () => this.#make(pairing))
    }
    if (tooLong([...makers.keys()])) return false
    await this.#check(makers, rotation)
    if (signal.aborted) recorder.skip(where, 'interrupted before its first round')
    return !signal.aborted && this.#subjects.length > 0
  }

  /** Milliseconds of a launch of each; what was never timed counts as nothing. */
  #estimate(pairings: readonly Pairing[]): number {
    const { pace, pass, workOf } = this.#cell
    const of = ({ name }: Pairing) =>
      this.#bench.pace.estimate(`${pace}: ${name}`, workOf(pass)) ?? 0
    return pairings.reduce((sum, one) => sum + of(one), 0)
  }

  async #fill(cache: NamedCache): Promise<void> {
    const { where, shape, sequences, length, rotation } = this.#cell
    const { device, recorder, random, signal } = this.#bench.context
    if (signal.aborted) return
    const name = `${where}: cache ${cache.name}`
    const layers = layersOf(cache, shape, rotation.layers)
    const about = { shape: { ...shape, layers }, cache, sequences, length }
    try {
      const bytes = cacheBytes(device.device, about)
      const free = device.freeBytes() - reserveBytes[device.isGpu ? 'gpu' : 'cpu']
      if (bytes > free) {
        const gib = (value: number) => (value / 2 ** 30).toPrecision(3)
        recorder.skip(name, `${gib(bytes)} GiB do not fit into ${gib(free)} GiB`)
        return
      }
      const { rows } = this.#bench.noiseOf(shape)
      const backends = this.#bench.backends.found.values()
      this.#filled.set(cache, new FilledCache(device, about, backends, rows, random))
      await device.synchronize()
    } catch (error) {
      recorder.skip(name, error)
    }
  }

  #make({ backend, cache }: Pairing): Subject {
    const { device } = this.#bench.context
    const { pass } = this.#cell
    const filled = this.#filled.get(cache)!
    return new Subject({ device, backend, filled, rows: this.rows, maxTokens: passTokens(pass) })
  }

  /**
   * Times a small pass of a kernel that nothing is known of, when the cell's own is large.
   *
   * @returns whether it may be run at all
   */
  async #learnPace(pairing: Pairing): Promise<boolean> {
    const { where, pace, pass, workOf, rotation } = this.#cell
    const { device, recorder } = this.#bench.context
    const kind = `${pace}: ${pairing.name}`
    const small: AttentionPass = {
      queryLengths: pass.queryLengths.map((length) => Math.min(length, smallPass.query)),
      kvLengths: pass.kvLengths.map((length) => Math.min(length, smallPass.kv)),
    }
    const known = this.#bench.pace.estimate(kind, 1) !== undefined
    if (known || workOf(pass) < worthEstimating * workOf(small)) return true
    try {
      const subject = this.#make(pairing)
      try {
        subject.prepare(small)
        await subject.check({ thorough: false })
        const ms = await probe(device, subject, rotation.layers)
        this.#bench.pace.learn(kind, workOf(small), ms)
        return true
      } finally {
        await device.synchronize()
        subject[Symbol.dispose]()
      }
    } catch (error) {
      const name = `${where}: ${pairing.name}`
      if (error instanceof WrongResult) recorder.refuse(name, error)
      else recorder.skip(name, error)
      return false
    }
  }

  async #check(makers: ReadonlyMap<Pairing, () => Subject>, rotation: Rotation): Promise<void> {
    const { where, pass, leastMs, thorough = true, pace, workOf } = this.#cell
    const { device, recorder, signal } = this.#bench.context
    for (const [pairing, make] of makers) {
      if (signal.aborted) return
      const one = new Map([[pairing.name, make]])
      const checked = await checkedSubjects(one, pass, recorder, where, { thorough })
      const found = checked.get(pairing.name)
      if (!found) continue
      const launchMs = await probe(device, found.subject, rotation.layers)
      this.#bench.pace.learn(`${pace}: ${pairing.name}`, workOf(pass), launchMs)
      const launches = launchesFor(launchMs, leastMs, rotation.mostLaunches)
      const timed = { subject: found.subject, layers: rotation.layers, launches }
      this.#subjects.push({ ...pairing, ...found, timed, launchMs })
    }
  }
}
