/**
 * What a trace does to a cache's memory: sequences come, grow by a token a step and leave, as under a
 * server, but nothing is computed. The cache is a real one; only the clock is simulated, so the result
 * does not depend on the machine's speed.
 *
 * Each step, in this order: every live sequence grows by one token (the youngest are preempted, to be
 * computed again later, until the rest has memory); requests that have come are admitted, first come
 * first served, their whole prompt at once, until one finds no memory or no slot; time goes on.
 */
import type { CacheStats, Sequence } from '@vattention/interface'

import { staticBytesPerSequence } from './cache-bytes.ts'
import { traceErrors } from './errors.ts'
import type { MemoryCache } from './memory-cache.ts'
import {
  memorySample,
  memorySummary,
  type MemorySample,
  type MemorySummary,
} from './memory-sample.ts'
import type { Trace } from './trace.ts'

/** How to run a trace through a cache. */
export interface FragmentationOptions {
  /**
   * Simulated time of a step, in seconds: of a decode step of the model that the trace stands for. It
   * decides how many requests are live together. Requests without arrivals come all at 0.
   */
  readonly secondsPerStep: number
  /**
   * The prompt of a row, of the trace's length: given, prompts that begin alike share memory as far as
   * the cache can. Defaults to no sharing.
   */
  readonly promptTokens?: (row: number) => Uint32Array
  /** Sequences live at once. Defaults to all slots of the cache. */
  readonly maxLive?: number
  /** Steps from one sample to the next. Defaults to `1`. */
  readonly stepsPerSample?: number
  /** A clock in seconds, to time admissions with. Defaults to none: they are not timed. */
  readonly clock?: () => number
}

/** A request that got its memory. */
export interface Admission {
  readonly row: number
  /** Tokens that were backed: the prompt, and what a preempted one had generated. */
  readonly tokens: number
  /** Of them found in the cache. */
  readonly sharedTokens: number
  /** Time that `allocate` and `step` took; null without a clock. */
  readonly seconds: number | null
}

/** What a trace did to a cache. */
export interface FragmentationResult {
  readonly samples: readonly MemorySample[]
  readonly summary: MemorySummary
  readonly admissions: readonly Admission[]
  readonly completed: number
  /** Sequences that gave up their memory for others and came back. */
  readonly preemptions: number
  /** Rows longer than the cache's `maxLength`, or than all its memory, which were passed over. */
  readonly tooLong: readonly number[]
  readonly steps: number
  /** Of the cache at the end: counters of hits, copies, evictions. */
  readonly stats: CacheStats
}

interface Request {
  readonly row: number
  readonly arrival: number
  readonly promptTokens: number
  /** Tokens in the cache when it ends: the last one generated is never put there. */
  readonly finalLength: number
}

interface Live extends Request {
  readonly sequence: Sequence
  length: number
}

/** A request that waits, with as many tokens as it had when it was preempted. */
interface Waiting extends Request {
  readonly length: number
}

/**
 * Runs a trace through a cache.
 *
 * @param cache Any cache, without live sequences; it keeps what its prefix index holds afterwards.
 * @throws `ERR_VATTENTION_TRACE_SCALE` for options out of range; whatever the cache throws.
 */
export function simulateMemory(
  cache: MemoryCache,
  trace: Trace,
  options: FragmentationOptions,
): FragmentationResult {
  return new Simulation(cache, trace, options).run()
}

class Simulation {
  readonly #cache: MemoryCache
  readonly #options: FragmentationOptions
  readonly #coming: Request[]
  readonly #waiting: Waiting[] = []
  readonly #live: Live[] = []
  readonly #samples: MemorySample[] = []
  readonly #admissions: Admission[] = []
  readonly #tooLong: number[] = []
  readonly #maxLive: number
  readonly #stepsPerSample: number
  #seconds = 0
  #steps = 0
  #completed = 0
  #preemptions = 0

  constructor(cache: MemoryCache, trace: Trace, options: FragmentationOptions) {
    const { maxLive = cache.shape.maxSequences, stepsPerSample = 1, secondsPerStep } = options
    for (const [name, value] of Object.entries({ secondsPerStep, maxLive, stepsPerSample })) {
      if (Number.isFinite(value) && value > 0) continue
      throw traceErrors.scale(`Expected a number above 0 for ${name}, received ${value}.`)
    }
    this.#cache = cache
    this.#options = options
    this.#maxLive = Math.min(maxLive, cache.shape.maxSequences)
    this.#stepsPerSample = stepsPerSample
    this.#coming = trace.requests.map(
      ({ arrivalSeconds = 0, promptTokens, outputTokens }, row) => ({
        row,
        arrival: arrivalSeconds,
        promptTokens,
        finalLength: promptTokens + outputTokens - 1,
      }),
    )
    this.#coming.reverse() // so that the next one is the last, and taken cheaply
  }

  run(): FragmentationResult {
    try {
      while (this.#coming.length + this.#waiting.length + this.#live.length > 0) this.#step()
    } finally {
      for (const { sequence } of this.#live) this.#cache.free(sequence)
    }
    return {
      samples: this.#samples,
      summary: memorySummary(this.#samples),
      admissions: this.#admissions,
      completed: this.#completed,
      preemptions: this.#preemptions,
      tooLong: this.#tooLong,
      steps: this.#steps,
      stats: this.#cache.stats(),
    }
  }

  #step(): void {
    const next = this.#coming.at(-1)
    // Nothing happens before the next request: the clock need not tick through a silence.
    if (next && this.#live.length + this.#waiting.length === 0) {
      this.#seconds = Math.max(this.#seconds, next.arrival)
    }
    this.#arrive()
    this.#grow()
    this.#admit()
    if (this.#steps % this.#stepsPerSample === 0) this.#sample()
    this.#leave()
    this.#steps++
    this.#seconds += this.#options.secondsPerStep
  }

  #arrive(): void {
    for (let next = this.#coming.at(-1); next; next = this.#coming.at(-1)) {
      if (next.arrival > this.#seconds) return
      this.#coming.pop()
      if (next.finalLength > this.#cache.shape.maxLength) this.#tooLong.push(next.row)
      else this.#waiting.push({ ...next, length: next.promptTokens })
    }
  }

  #grow(): void {
    while (this.#live.length > 0) {
      const sequences = Uint32Array.from(this.#live, ({ sequence }) => sequence)
      const lengths = Uint32Array.from(this.#live, ({ length }) => length + 1)
      if (this.#cache.step(sequences, lengths).status === 'ok') {
        for (const live of this.#live) live.length++
        return
      }
      const { sequence, ...request } = this.#live.pop()!
      this.#cache.free(sequence)
      if (this.#live.length === 0) {
        this.#tooLong.push(request.row)
        return
      }
      this.#preemptions++
      // Its next token is known already: it comes back with it.
      this.#waiting.unshift({ ...request, length: request.length + 1 })
    }
  }

  #admit(): void {
    while (this.#waiting.length > 0 && this.#live.length < this.#maxLive) {
      const request = this.#waiting[0]!
      const { clock, promptTokens } = this.#options
      const tokens = promptTokens?.(request.row)
      const start = clock?.()
      const allocation = this.#cache.allocate(tokens && { prefix: tokens })
      if (allocation === undefined) return
      const { sequence, sharedLength } = allocation
      const result = this.#cache.step(Uint32Array.of(sequence), Uint32Array.of(request.length))
      const seconds = start === undefined ? null : clock!() - start
      if (result.status !== 'ok') {
        this.#cache.free(sequence)
        if (this.#live.length > 0) return
        // Nothing else holds memory: it will never fit.
        this.#tooLong.push(request.row)
        this.#waiting.shift()
        continue
      }
      this.#waiting.shift()
      if (tokens) this.#cache.publish(sequence, tokens)
      this.#live.push({ ...request, sequence })
      this.#admissions.push({
        row: request.row,
        tokens: request.length,
        sharedTokens: sharedLength,
        seconds,
      })
    }
  }

  #sample(): void {
    const bytes = staticBytesPerSequence(this.#cache.shape)
    this.#samples.push(memorySample(this.#seconds, this.#cache.stats(), bytes))
  }

  #leave(): void {
    const staying = this.#live.filter(({ length, finalLength, sequence }) => {
      if (length < finalLength) return true
      this.#cache.free(sequence)
      this.#completed++
      return false
    })
    this.#live.splice(0, this.#live.length, ...staying)
  }
}
