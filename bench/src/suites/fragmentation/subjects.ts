import { ContiguousKvCache } from '@vattention/core'
import type { Device, KvCacheShape } from '@vattention/interface'

import type { NamedCache, NamedShape } from '../../suite/index.ts'
import { blockBytesHeld, pageBytesHeld, type HeldBytes } from '../../traces/index.ts'
import { contiguousOptions, openCache, type BenchCache } from '../memory/open-cache.ts'

/** What caches of a trace have in common. */
export interface CacheRoom {
  readonly shape: NamedShape
  readonly maxSequences: number
  readonly maxLength: number
  readonly limitBytes: number
}

/** A cache, and what arithmetic says that it holds. */
export interface Subject {
  readonly cache: NamedCache
  /** Absent where the rows of its tensors differ: layer groups that do not divide the layers. */
  readonly held?: HeldBytes
  open(sharing: boolean): BenchCache
}

/** The shape as caches know it. */
export function cacheShape({ shape, maxSequences, maxLength }: CacheRoom): KvCacheShape {
  const { layers, kvHeads, headDim, dtype } = shape
  return { layers, kvHeads, headDim, valueHeadDim: headDim, dtype, maxSequences, maxLength }
}

/** A kind of cache with so much room. */
export function subjectOf(device: Device, cache: NamedCache, room: CacheRoom): Subject {
  const options = { ...room, cache }
  // The whole limit of a pool is taken at once: whole blocks.
  const open = (sharing: boolean) => openCache(device, { ...options, prefixCache: sharing })
  const shape = cacheShape(room)
  if (cache.kind === 'paged') return { cache, held: blockBytesHeld(shape, cache.blockTokens), open }
  const { tensors, rowBytes, smallestPageBytes } = ContiguousKvCache.geometry(
    contiguousOptions(device, options),
  )
  const even = rowBytes[0] === rowBytes[1]
  const pages = { pageBytes: smallestPageBytes, tensors }
  return { cache, open, ...(even && { held: pageBytesHeld(shape, pages) }) }
}
