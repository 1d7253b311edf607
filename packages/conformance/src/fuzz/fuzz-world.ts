/**
 * A cache, its shadow, and the invariants that tie them together.
 *
 * The shadow knows sequences, tokens and what their rows hold; nothing of pages. After each
 * operation the states of memory must sum to the total, the cache's own check must pass, lengths
 * must be the shadow's, and rows must hold what the shadow says: those of the sequences that the
 * operation was about and of one more, sampled each time and all of them from time to time.
 */
import type { CacheStats, Fence, Sequence } from '@vattention/interface'

import { expect, expectEqual } from '../expect.ts'
import { hostMemory } from '../host-memory.ts'
import type { Random } from '../random.ts'
import { CookieRows, type RowEnds } from './cookie-rows.ts'
import type { FuzzSubject } from './fuzz-subject.ts'
import type { ShadowSequence } from './shadow-sequence.ts'

/** Rows that somebody may still be reading though their sequence gave them up. */
interface Ghost {
  /** Whose they were. The sequence itself may overwrite what it has forgotten. */
  readonly owner: Sequence
  readonly places: readonly RowEnds[]
  readonly hashes: ReadonlyMap<number, readonly number[]>
  /** The number of the work that may be reading them. */
  readonly until: number
}

/** See the head of this file. */
export class FuzzWorld {
  readonly subject: FuzzSubject
  readonly random: Random
  readonly rows: CookieRows
  readonly live = new Map<Sequence, ShadowSequence>()
  /** Handles that are not live any more. */
  readonly stale: Sequence[] = []
  /** Work on the stream: submitted, and completed. */
  work = { submitted: 0, completed: 0 }
  /** The limit that the cache began with, and the one that was last set. */
  readonly firstLimitBytes: number
  limitBytes: number
  paused = false
  #ghosts: Ghost[] = []

  constructor(subject: FuzzSubject, random: Random) {
    this.subject = subject
    this.random = random
    this.rows = new CookieRows(subject.cache, subject.memory ?? hostMemory)
    this.firstLimitBytes = subject.cache.stats().limitBytes
    this.limitBytes = this.firstLimitBytes
  }

  get cache() {
    return this.subject.cache
  }

  /** Whether work on the stream may be reading what sequences give up now. */
  get isBusy(): boolean {
    return this.work.submitted > this.work.completed
  }

  /** One of the live sequences that `filter` lets through. */
  pick(filter: (sequence: ShadowSequence) => boolean = () => true): ShadowSequence | undefined {
    const fitting = [...this.live.values()].filter(filter)
    return fitting.length > 0 ? this.random.pick(fitting) : undefined
  }

  /** `sequence` is about to give up its rows `[from, to)`: until the work is done they must stay. */
  haunt(sequence: ShadowSequence, from: number, to: number): void {
    if (!this.isBusy || from >= to) return
    const hashes = new Map<number, readonly number[]>()
    for (let token = from; token < to; token++) hashes.set(token, sequence.allowed(token))
    const places = this.rows.ends(sequence.handle, from, to)
    this.#ghosts.push({
      owner: sequence.handle,
      places,
      hashes,
      until: this.work.submitted,
    })
  }

  /** `sequence` may write again what it has forgotten. */
  exorcise(sequence: Sequence): void {
    this.#ghosts = this.#ghosts.filter(({ owner }) => owner !== sequence)
  }

  /** A fence over the work so far, or none: both must do. */
  maybeFence(): Fence | undefined {
    const { stream } = this.subject
    if (stream === undefined || this.random.integer(2) === 0) return undefined
    return this.cache.recordFence(stream)
  }

  completeWork(until: number): void {
    this.subject.stream?.complete(until)
    this.work.completed = until
    this.#ghosts = this.#ghosts.filter((ghost) => ghost.until > until)
  }

  /** Checks everything that holds between operations; rows of `touched` and of one other. */
  check(touched: readonly Sequence[]): void {
    const stats = this.cache.stats()
    this.#checkStats(stats)
    this.subject.check?.()
    expectEqual(stats.liveSequences, this.live.size, 'live sequences')
    for (const sequence of this.live.values()) {
      const backed = this.cache.backedLength(sequence.handle)
      expectEqual(backed, sequence.backed, `backed length of sequence ${sequence.handle}`)
    }
    for (const handle of touched) {
      const sequence = this.live.get(handle)
      if (sequence) this.checkRows(sequence, true)
    }
    const other = this.pick()
    if (other) this.checkRows(other, true)
    if (this.#ghosts.length > 0) this.#checkGhost(this.random.pick(this.#ghosts))
  }

  /** Checks all rows of all sequences. */
  sweep(): void {
    for (const sequence of this.live.values()) this.checkRows(sequence, false)
    for (const ghost of this.#ghosts) this.#checkGhost(ghost)
  }

  /** Checks rows of one sequence: all of them, or the edges and some between. */
  checkRows(sequence: ShadowSequence, sampled: boolean): void {
    const { handle, backed, firstKept, stepped, tokens } = sequence
    if (!stepped) return
    const zeroes = this.subject.zeroes ?? true
    const places = sampled
      ? this.rows.sample(handle, firstKept, backed, this.random)
      : this.rows.ends(handle, firstKept, backed)
    const wrong = this.rows.firstWrong(places, (token) =>
      token < tokens.length || zeroes ? sequence.allowed(token) : undefined,
    )
    if (wrong === undefined) return
    const kept = `kept from ${firstKept}, ${tokens.length} written, ${backed} backed`
    expect(false, `sequence ${handle} (${kept}): ${wrong}`)
  }

  #checkGhost({ owner, places, hashes, until }: Ghost): void {
    const wrong = this.rows.firstWrong(places, (token) => hashes.get(token))
    const work = `work ${until} (of ${this.work.completed} completed)`
    expect(wrong === undefined, `given up by sequence ${owner} and read by ${work}: ${wrong}`)
  }

  #checkStats(stats: CacheStats): void {
    const { mappedBytes, retainedBytes, parkedBytes, condemnedBytes, freeBytes } = stats
    const states = mappedBytes + retainedBytes + parkedBytes + condemnedBytes + freeBytes
    expectEqual(states, stats.totalBytes, 'sum of the states')
    const kinds = stats.neededBytes + stats.aheadBytes + stats.surplusBytes
    expectEqual(kinds, mappedBytes, 'needed + ahead + surplus, against mapped')
    expectEqual(stats.wasteBytes, stats.neededBytes - stats.usedBytes, 'waste')
    expect(stats.limitBytes <= this.limitBytes, `a limit of ${stats.limitBytes} is in force`)
    for (const [name, value] of Object.entries(stats)) {
      if (typeof value === 'number') expect(value >= 0, `${name} is ${value}`)
    }
    this.#checkUse(stats)
  }

  /** Where no memory is shared or cut short, use and waste are known exactly. */
  #checkUse({ usedBytes, wasteBytes, sharedBytes }: CacheStats): void {
    const sequences = [...this.live.values()]
    if (!sequences.every(({ plain }) => plain)) return
    const { layers, kvHeads, headDim, valueHeadDim, dtype } = this.cache.shape
    const element = dtype === 'float32' ? 4 : dtype === 'float8_e4m3' ? 1 : 2
    const tokenBytes = layers * kvHeads * (headDim + valueHeadDim) * element
    const tokens = sequences.reduce((sum, { backed }) => sum + backed, 0)
    expectEqual(usedBytes, tokens * tokenBytes, 'used bytes')
    expectEqual(sharedBytes, 0, 'shared bytes')
    const bound = (this.subject.wasteBoundBytes ?? Infinity) * sequences.length
    expect(
      wasteBytes < bound || wasteBytes === 0,
      `${sequences.length} sequences waste ${wasteBytes} bytes, the bound is ${bound}`,
    )
  }
}
