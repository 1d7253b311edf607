import type {
  Allocation,
  CacheStats,
  KvCacheShape,
  Sequence,
  StepResult,
} from '@vattention/interface'

import { bytesPerToken, staticBytesPerSequence } from './cache-bytes.ts'
import { traceErrors } from './errors.ts'
import type { MemoryCache } from './memory-cache.ts'

/** Bytes that a sequence of so many tokens holds. */
export type HeldBytes = (tokens: number) => number

/**
 * Pages of tensors that lie apart: each holds its part of every token.
 *
 * @param tensors Of the layout, with rows of equal length: 1 interleaved, two for each layer split.
 */
export function pageBytesHeld(
  shape: KvCacheShape,
  { pageBytes, tensors }: { readonly pageBytes: number; readonly tensors: number },
): HeldBytes {
  const rowBytes = bytesPerToken(shape) / tensors
  return (tokens) => Math.ceil((tokens * rowBytes) / pageBytes) * pageBytes * tensors
}

/** Blocks of so many tokens. */
export const blockBytesHeld =
  (shape: KvCacheShape, blockTokens: number): HeldBytes =>
  (tokens) =>
    Math.ceil(tokens / blockTokens) * blockTokens * bytesPerToken(shape)

/** Memory for as many tokens as a sequence may ever reach, taken when it starts. */
export const staticBytesHeld =
  (shape: KvCacheShape): HeldBytes =>
  () =>
    staticBytesPerSequence(shape)

/**
 * A cache that holds no memory and counts what one would: arithmetic alone, without pages, sharing or
 * work ahead. What real caches are checked against, and what stands for those that do not fit here.
 */
export class CountedCache implements MemoryCache {
  readonly shape: KvCacheShape
  readonly #limitBytes: number
  readonly #held: HeldBytes
  readonly #lengths = new Map<Sequence, number>()
  #next = 1
  #bytes = 0
  #tokens = 0
  #steps = 0
  #stepsOutOfMemory = 0

  /** @throws `ERR_VATTENTION_TRACE_SCALE` for a limit that is no number of bytes. */
  constructor(shape: KvCacheShape, limitBytes: number, held: HeldBytes) {
    if (!(limitBytes >= 0)) {
      throw traceErrors.scale(`A limit is a number of bytes, not ${limitBytes}.`)
    }
    this.shape = shape
    this.#limitBytes = limitBytes
    this.#held = held
  }

  allocate(): Allocation | undefined {
    if (this.#lengths.size >= this.shape.maxSequences) return undefined
    const sequence = this.#next++ as Sequence
    this.#lengths.set(sequence, 0)
    return { sequence, sharedLength: 0 }
  }

  step(sequences: Uint32Array, lengths: Uint32Array): StepResult {
    this.#steps++
    let more = 0
    sequences.forEach((sequence, i) => {
      more += this.#of(lengths[i]!) - this.#of(this.#lengths.get(sequence as Sequence)!)
    })
    const neededBytes = this.#bytes + more - this.#limitBytes
    if (neededBytes > 0) {
      this.#stepsOutOfMemory++
      return {
        status: 'outOfMemory',
        limit: 'bytes',
        neededBytes,
        pendingBytes: 0,
        evictableBytes: 0,
      }
    }
    sequences.forEach((sequence, i) => {
      this.#tokens += lengths[i]! - this.#lengths.get(sequence as Sequence)!
      this.#lengths.set(sequence as Sequence, lengths[i]!)
    })
    this.#bytes += more
    return { status: 'ok', mappedBytes: more, driverCalls: 0 }
  }

  publish(): void {
    // Nothing is shared.
  }

  free(sequence: Sequence): void {
    const length = this.#lengths.get(sequence)!
    this.#lengths.delete(sequence)
    this.#bytes -= this.#of(length)
    this.#tokens -= length
  }

  stats(): CacheStats {
    const usedBytes = this.#tokens * bytesPerToken(this.shape)
    return {
      ...nothing,
      liveSequences: this.#lengths.size,
      reservedBytes: this.#limitBytes,
      limitBytes: this.#limitBytes,
      totalBytes: this.#bytes,
      mappedBytes: this.#bytes,
      neededBytes: this.#bytes,
      usedBytes,
      wasteBytes: this.#bytes - usedBytes,
      steps: this.#steps,
      stepsOutOfMemory: this.#stepsOutOfMemory,
    }
  }

  /** A sequence that was never stepped holds nothing, even where memory is taken at once. */
  #of(tokens: number): number {
    return tokens === 0 ? 0 : this.#held(tokens)
  }
}

const nothing: CacheStats = {
  liveSequences: 0,
  reservedBytes: 0,
  limitBytes: 0,
  totalBytes: 0,
  mappedBytes: 0,
  neededBytes: 0,
  aheadBytes: 0,
  surplusBytes: 0,
  retainedBytes: 0,
  parkedBytes: 0,
  condemnedBytes: 0,
  freeBytes: 0,
  usedBytes: 0,
  sharedBytes: 0,
  wasteBytes: 0,
  liveMappings: 0,
  mappingBudget: 0,
  steps: 0,
  stepsOutOfMemory: 0,
  stepsMappedSync: 0,
  driverCalls: 0,
  pagesCreated: 0,
  pagesReleased: 0,
  pagesMapped: 0,
  pagesUnmapped: 0,
  adoptions: 0,
  evictions: 0,
  prefixQueries: 0,
  prefixQueryTokens: 0,
  prefixHitTokens: 0,
  aliasedTokens: 0,
  copiedTokens: 0,
  copiedBytes: 0,
  zeroedBytes: 0,
  stepNsHistogram: [],
}
