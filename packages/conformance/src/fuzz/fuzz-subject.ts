import type { KvCache } from '@vattention/interface'

import type { Memory } from '../memory.ts'
import type { Random } from '../random.ts'
import type { TestStream } from '../subject.ts'

/** A cache to be fuzzed, and what can be done with it beyond the contract. */
export interface FuzzSubject {
  readonly cache: KvCache
  /** In words, for reports: the options it was made with. */
  readonly description: string
  /** Memory that reads and writes the cache's. Defaults to `@vattention/core`'s host memory. */
  readonly memory?: Memory
  /** Checks the whole structure; throws when something does not hold. */
  readonly check?: () => void
  /** A thread that works in the background. */
  readonly mapper?: { pause(): void; resume(): void; drain(): void }
  /** Gives unused memory back. */
  readonly trim?: (keepBytes: number) => void
  /** A stream whose work ends when the fuzzer says so. */
  readonly stream?: TestStream
  /** Whether rows that a sequence sees for the first time are zero. Defaults to `true`. */
  readonly zeroes?: boolean
  /** A live sequence that shares nothing wastes less than this. Defaults to no bound. */
  readonly wasteBoundBytes?: number
  /** The lowest limit that the cache takes. Defaults to 1. */
  readonly leastLimitBytes?: number
}

/** Makes a subject; options are drawn from `random`. The fuzzer disposes cache and stream. */
export type MakeFuzzSubject = (random: Random) => FuzzSubject

/** How much, and from where. */
export interface FuzzOptions {
  /** Decides everything: the same seed does the same operations. */
  readonly seed: number
  /** Operations in all. */
  readonly operations: number
  /** Operations after which a cache is given up for a new one. Defaults to `1000`. */
  readonly operationsPerCache?: number
  /** Operations after which all rows of all sequences are read. Defaults to `50`. */
  readonly operationsPerSweep?: number
}

/** What was done: counts by operation, and what came out of them. */
export type FuzzReport = Readonly<Record<string, number>>
