import { ContiguousKvCache } from '@vattention/core'
import type { ContiguousCacheOptions, Device } from '@vattention/interface'
import { PagedKvCache } from '@vattention/paged-attention'

import type { NamedCache } from '../suite/named-cache.ts'
import type { NamedShape } from '../suite/named-shape.ts'
import { layerTokenBytes } from './formulas.ts'
import type { Random } from './random.ts'
import { scatterBlocks } from './scatter-blocks.ts'

/** A cache of sequences of one length. */
export interface CacheOptions {
  /** Its layers may be fewer than the model's. */
  readonly shape: NamedShape
  readonly cache: NamedCache
  readonly sequences: number
  /** Tokens of each. */
  readonly length: number
}

/** Rows that FlashAttention-3 reads behind a sequence: its largest causal tile. */
const tailRows = 128

/** Sequences that scatter the blocks of a paged cache, besides twice those that it holds. */
const scatterSequences = 32

function contiguousOptions(
  device: Device,
  { shape, cache, sequences, length }: CacheOptions,
): ContiguousCacheOptions {
  if (cache.kind !== 'contiguous') throw new TypeError(`${cache.name} is not contiguous`)
  const { layers, kvHeads, headDim, dtype } = shape
  return {
    ...{ layers, kvHeads, headDim, dtype, device },
    layout: cache.layout,
    ...(cache.pageBytes === undefined ? {} : { pageBytes: [cache.pageBytes] }),
    tailRows: device.type === 'cuda' ? tailRows : 0,
    maxSequences: sequences,
    maxLength: length,
    limitBytes: Number.MAX_SAFE_INTEGER,
    mapAhead: false,
  }
}

/** Bytes of the memory that such a cache takes, whole pages and blocks. */
export function cacheBytes(device: Device, options: CacheOptions): number {
  const { shape, cache, sequences, length } = options
  if (cache.kind === 'paged') {
    const blocks = sequences * Math.ceil(length / cache.blockTokens)
    return blocks * cache.blockTokens * layerTokenBytes(shape) * shape.layers
  }
  const contiguous = contiguousOptions(device, options)
  const { tensors, smallestPageBytes } = ContiguousKvCache.geometry(contiguous)
  const rows = length + (contiguous.tailRows ?? 0)
  const rowBytes = (layerTokenBytes(shape) * shape.layers) / tensors
  // A last group with fewer layers takes less: what is needed is not more than this.
  const pages = Math.ceil((rows * rowBytes) / smallestPageBytes) + 1
  return sequences * tensors * pages * smallestPageBytes
}

/** Makes it. A paged one has its free blocks in random order. */
export function makeCache(
  device: Device,
  options: CacheOptions,
  random: Random,
): ContiguousKvCache | PagedKvCache {
  const { shape, cache, sequences, length } = options
  const bytes = cacheBytes(device, options)
  if (cache.kind === 'contiguous') {
    return new ContiguousKvCache({
      ...contiguousOptions(device, options),
      // Room for what the cache keeps by itself.
      limitBytes: bytes + 2 ** 30,
    })
  }
  const { layers, kvHeads, headDim, dtype } = shape
  const { blockTokens, poolLayout } = cache
  const made = new PagedKvCache({
    ...{ layers, kvHeads, headDim, dtype, device, blockTokens, poolLayout },
    // Twice, and some: those that scatter the blocks.
    maxSequences: 2 * sequences + scatterSequences,
    maxLength: Math.ceil(length / blockTokens) * blockTokens,
    limitBytes: bytes,
    prefixCache: false,
  })
  try {
    scatterBlocks(made, sequences * Math.ceil(length / blockTokens), random)
  } catch (error) {
    made[Symbol.dispose]()
    throw error
  }
  return made
}
