import type { KvCacheShape, Sequence } from '@vattention/interface'

import { staticBytesPerSequence } from './cache-bytes.ts'
import { traceErrors } from './errors.ts'
import type { MemoryCache } from './memory-cache.ts'

/** How many sequences a cache holds at once. */
export interface MaxBatch {
  readonly sequences: number
  /** Tokens of all of them. */
  readonly tokens: number
  /** What ended it: memory, slots, or that there were no more lengths. */
  readonly limitedBy: 'memory' | 'slots' | 'lengths'
  /** Bytes mapped for them, and the part that holds tokens. */
  readonly mappedBytes: number
  readonly usedBytes: number
}

/**
 * Fills a cache until the next sequence finds no memory, and empties it again.
 *
 * @param cache Any cache, without live sequences.
 * @param lengths Tokens of each sequence, in this order: of a trace's rows, or all equal.
 * @param promptTokens What a sequence begins with, at most as many tokens as its length: given,
 * sequences share what the cache can. Defaults to no sharing.
 */
export function maxBatch(
  cache: MemoryCache,
  lengths: Iterable<number>,
  promptTokens?: (index: number) => Uint32Array,
): MaxBatch {
  const held: Sequence[] = []
  let tokens = 0
  let limitedBy: MaxBatch['limitedBy'] = 'lengths'
  try {
    for (const length of lengths) {
      const prefix = promptTokens?.(held.length)
      const allocation = cache.allocate(prefix && { prefix })
      if (allocation === undefined) {
        limitedBy = 'slots'
        break
      }
      const { sequence } = allocation
      held.push(sequence)
      const result = cache.step(Uint32Array.of(sequence), Uint32Array.of(length))
      if (result.status !== 'ok') {
        cache.free(held.pop()!)
        limitedBy = 'memory'
        break
      }
      if (prefix) cache.publish(sequence, prefix)
      tokens += length
    }
    const { mappedBytes, usedBytes } = cache.stats()
    return { sequences: held.length, tokens, limitedBy, mappedBytes, usedBytes }
  } finally {
    for (const sequence of held) cache.free(sequence)
  }
}

/**
 * Sequences that fit with static reservation of `maxLength` tokens each: computed.
 *
 * @param limitBytes Memory, in bytes.
 * @throws `ERR_VATTENTION_TRACE_SCALE` for a limit that is no number of bytes.
 */
export function staticMaxBatch(shape: KvCacheShape, limitBytes: number): number {
  if (!(limitBytes >= 0))
    throw traceErrors.scale(`A limit is a number of bytes, not ${limitBytes}.`)
  return Math.min(shape.maxSequences, Math.floor(limitBytes / staticBytesPerSequence(shape)))
}
