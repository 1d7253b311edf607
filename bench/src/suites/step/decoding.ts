import { latencies, must } from '../../harness/index.ts'
import type { NamedShape, SuiteContext } from '../../suite/index.ts'
import { Room } from '../memory/room.ts'
import {
  crossing,
  runLoads,
  stepsThatMapped,
  type Load,
  type LoadRun,
  type VariantLoad,
} from './loads.ts'
import { pageTokensOf } from './page-tokens.ts'
import { cacheOf, drain, openSequences } from './timed-step.ts'
import type { Variant } from './variants.ts'

/** Tokens that sequences begin with, at least. */
const first = 64

/** Sequences that decode, some of them crossing into another page. */
export interface Decoding extends LoadRun {
  /** For people, and what tells the cases: `all decoding`. */
  readonly load: string
  readonly shape: NamedShape
  readonly variants: readonly Variant[]
  readonly sequences: number
  /** In each step one of so many sequences gets a token. */
  readonly every: number
}

/** One of `every` sequences gets a token in each step; they are staggered over a page, as in a server. */
class Staggered implements Load {
  readonly handles: Uint32Array
  readonly lengths: Uint32Array
  readonly #every: number
  readonly #pageTokens: number

  constructor(handles: Uint32Array, every: number, pageTokens: number, spread: number) {
    this.handles = handles
    this.#every = every
    this.#pageTokens = pageTokens
    this.lengths = handles.map((_, i) => first + ((i * 7) % spread))
  }

  advance(step: number): number {
    let crossed = 0
    for (let i = 0; i < this.lengths.length; i++) {
      if ((i + step) % this.#every !== 0) continue
      if (crossing(this.lengths[i]!, this.#pageTokens)) crossed++
      this.lengths[i]!++
    }
    return crossed
  }
}

/** Steps decoding sequences over all variants, and records their latencies. */
export async function measureDecoding(context: SuiteContext, about: Decoding): Promise<void> {
  const { device, recorder } = context
  const { load, shape, variants, sequences, every, steps, warmUp } = about
  const pageTokens = (variant: Variant) => pageTokensOf(device.device, shape, variant.cache)
  // The same for all, so that all get the same lengths.
  const spread = Math.max(...variants.map((one) => Math.ceil(pageTokens(one))))
  const length = first + spread + Math.ceil((steps + warmUp) / every) + 1
  const loads: VariantLoad[] = []
  const room = new Room(context.device)
  try {
    for (const variant of variants) {
      try {
        const cache = cacheOf(context, { shape, variant, sequences, length, room })
        const handles = openSequences(cache, sequences)
        const staggered = new Staggered(handles, every, pageTokens(variant), spread)
        loads.push({ variant, cache, load: staggered })
        must(cache.step(handles, staggered.lengths))
        await drain(cache)
      } catch (error) {
        // What cannot hold its sequences takes no part.
        if (loads.at(-1)?.variant === variant) await loads.pop()!.cache.disposeAsync()
        recorder.skip(`${load}, ${variant.name}`, error)
      }
    }
    const found = await runLoads(context, loads, about)
    for (const { variant, cache } of loads) {
      const { stepUs, driverCalls, crossed } = found.get(variant.name)!
      if (stepUs.length === 0) continue
      const { name, mapper, aheadTokens } = variant
      const crossings = crossed.reduce((sum, one) => sum + one, 0)
      recorder.add({
        name: `step of ${sequences} sequences, ${load}: ${name}`,
        parameters: {
          ...{ part: 'steps', load, sequences, shape: shape.name },
          ...{ cache: variant.cache.name, mapper, aheadTokens },
        },
        metrics: {
          stepUs: latencies(stepUs),
          ...stepsThatMapped(variant, driverCalls.filter((calls) => calls > 0).length),
          crossingShare: crossings / stepUs.length / sequences,
          heldBytes: cache.stats().totalBytes,
          neededBytes: cache.stats().neededBytes,
        },
        samples: { stepUs },
      })
    }
  } finally {
    for (const { cache } of loads) await cache.disposeAsync()
  }
}
