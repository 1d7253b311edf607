import type { Sequence } from '@vattention/interface'

import { latencies, must, randomOf, type Random } from '../../harness/index.ts'
import type { NamedShape, SuiteContext } from '../../suite/index.ts'
import type { BenchCache } from '../memory/open-cache.ts'
import { runLoads, stepsThatMapped, type Load, type LoadRun, type VariantLoad } from './loads.ts'
import { cacheOf, openSequences } from './timed-step.ts'
import type { Variant } from './variants.ts'
import { Room } from '../memory/room.ts'

/** Sequences that end and are replaced. */
export interface Turnover extends LoadRun {
  readonly shape: NamedShape
  readonly variants: readonly Variant[]
  readonly sequences: number
  /** Tokens of the longest. */
  readonly length: number
}

/** Sequences with prompts of 1/32 to 1/8 of the length grow to 1/8 to all of it, and are replaced. */
class Replaced implements Load {
  readonly handles: Uint32Array
  readonly lengths: Uint32Array
  readonly #ends: Uint32Array
  readonly #cache: BenchCache
  readonly #random: Random
  readonly #length: number
  replaced = 0

  constructor(cache: BenchCache, sequences: number, length: number, random: Random) {
    this.#cache = cache
    this.#random = random
    this.#length = length
    this.handles = openSequences(cache, sequences)
    this.lengths = new Uint32Array(sequences)
    this.#ends = new Uint32Array(sequences)
    for (let i = 0; i < sequences; i++) {
      this.#begin(i)
      // Spread over their lives, as in a server that has been running for a while.
      this.lengths[i] = random.integer(this.lengths[i]!, this.#ends[i]!)
    }
  }

  #begin(i: number): void {
    const eighth = Math.ceil(this.#length / 8)
    this.#ends[i] = this.#random.integer(eighth, this.#length)
    this.lengths[i] = this.#random.integer(Math.ceil(eighth / 4), eighth)
  }

  advance(): number {
    let prompts = 0
    for (let i = 0; i < this.lengths.length; i++) {
      if (++this.lengths[i]! <= this.#ends[i]!) continue
      this.#cache.free(this.handles[i] as Sequence)
      this.handles[i] = this.#cache.allocate()!.sequence
      this.#begin(i)
      prompts++
    }
    this.replaced += prompts
    return prompts
  }
}

/** Steps sequences that come and go over all variants, and says how often a step had to map. */
export async function measureTurnover(context: SuiteContext, about: Turnover): Promise<void> {
  const { recorder, settings } = context
  const { shape, variants, sequences, length } = about
  const loads: (VariantLoad & { readonly load: Replaced })[] = []
  const room = new Room(context.device)
  try {
    for (const variant of variants) {
      try {
        const cache = cacheOf(context, { shape, variant, sequences, length, room })
        // The same requests for all.
        const load = new Replaced(cache, sequences, length, randomOf(settings.seed, 7))
        loads.push({ variant, cache, load })
        must(cache.step(load.handles, load.lengths))
      } catch (error) {
        // What cannot hold its sequences takes no part.
        if (loads.at(-1)?.variant === variant) await loads.pop()!.cache.disposeAsync()
        recorder.skip(`turnover, ${variant.name}`, error)
      }
    }
    const found = await runLoads(context, loads, about)
    for (const { variant, cache, load } of loads) {
      const { stepUs, driverCalls, crossed } = found.get(variant.name)!
      if (stepUs.length === 0) continue
      const { name, mapper, aheadTokens } = variant
      const mapped = driverCalls.filter((calls) => calls > 0).length
      const stats = cache.stats()
      recorder.add({
        name: `step of ${sequences} sequences with turnover: ${name}`,
        parameters: {
          ...{ part: 'steps', load: 'turnover', sequences, shape: shape.name },
          ...{ cache: variant.cache.name, mapper, aheadTokens },
        },
        metrics: {
          stepUs: latencies(stepUs),
          ...stepsThatMapped(variant, mapped),
          stepsWithoutDriverCallShare: (stepUs.length - mapped) / stepUs.length,
          stepsWithPromptCount: crossed.filter((prompts) => prompts > 0).length,
          turnoversCount: load.replaced,
          heldBytes: stats.totalBytes,
          neededBytes: stats.neededBytes,
          driverCallsCount: stats.driverCalls,
          adoptionsCount: stats.adoptions,
        },
      })
    }
  } finally {
    for (const { cache } of loads) await cache.disposeAsync()
  }
}
