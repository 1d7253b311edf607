import { ContiguousKvCache } from '@vattention/core'

import { must, type Clock } from '../../harness/index.ts'
import { tokenBytes, type NamedShape, type SuiteContext } from '../../suite/index.ts'
import { granuleBytes, openCache, type BenchCache } from '../memory/open-cache.ts'
import type { Room } from '../memory/room.ts'
import type { Variant } from './variants.ts'

/** What steps of one variant found. */
export interface StepSamples {
  readonly stepUs: number[]
  /** Steps that called the driver themselves. */
  mapped: number
}

/** A call of `step` from JavaScript, and what it took. */
export function timeStep(
  clock: Clock,
  cache: BenchCache,
  handles: Uint32Array,
  lengths: Uint32Array,
): { stepUs: number; mapped: boolean } {
  const begun = clock.now()
  const result = cache.step(handles, lengths)
  const ended = clock.now()
  return { stepUs: (ended - begun) * 1000, mapped: must(result).driverCalls > 0 }
}

/** New sequences. */
export const openSequences = (cache: BenchCache, count: number): Uint32Array =>
  Uint32Array.from({ length: count }, () => cache.allocate()!.sequence)

/** Waits until nothing is left to map ahead. */
export async function drain(cache: BenchCache): Promise<void> {
  if (cache instanceof ContiguousKvCache) await cache.mapper.drainAsync()
}

/** A cache of a variant for sequences of so many tokens, with room for what is mapped ahead. */
export function cacheOf(
  { device }: SuiteContext,
  about: {
    readonly shape: NamedShape
    readonly variant: Variant
    readonly sequences: number
    readonly length: number
    readonly room: Room
  },
): BenchCache {
  const { shape, variant, sequences, length } = about
  const { cache, mapAhead, aheadTokens } = variant
  // Room for what is mapped ahead and for idle slots; none of it is taken before it is needed.
  const maxLength = length + aheadTokens + 512
  const options = { shape, cache, maxSequences: sequences + 8, maxLength, mapAhead }
  const granule = granuleBytes(device.device, { ...options, limitBytes: 2 ** 50 })
  const held = sequences * (tokenBytes(shape) * (length + aheadTokens) + 2 * granule)
  about.room.take(held)
  const limitBytes =
    cache.kind === 'paged' ? sequences * (tokenBytes(shape) * length + granule) : held + 2 ** 30
  return openCache(device.device, { ...options, limitBytes })
}
