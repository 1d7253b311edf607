import { ContiguousKvCache } from '@vattention/core'
import type { ContiguousCacheOptions, Device, PagedCacheOptions } from '@vattention/interface'
import { PagedKvCache } from '@vattention/paged-attention'

import { tokenBytes, type NamedCache, type NamedShape } from '../../suite/index.ts'

/** A cache of either kind, as suites about memory drive it. */
export type BenchCache = ContiguousKvCache | PagedKvCache

/** What such a suite makes a cache of. */
export interface BenchCacheOptions {
  readonly shape: NamedShape
  readonly cache: NamedCache
  readonly maxSequences: number
  readonly maxLength: number
  readonly limitBytes: number
  /** Of contiguous caches. Defaults to no mapper thread at all. */
  readonly mapAhead?: ContiguousCacheOptions['mapAhead']
  /** Page classes of contiguous caches, where the name has none. Absent: the device's. */
  readonly pageBytes?: readonly number[]
  readonly sharePageBytes?: number
  /** Whether a paged cache keeps blocks for later prompts. Defaults to `false`. */
  readonly prefixCache?: boolean
}

/** Makes it. The caller disposes it. */
export function openCache(device: Device, options: BenchCacheOptions): BenchCache {
  return options.cache.kind === 'contiguous'
    ? new ContiguousKvCache(contiguousOptions(device, options))
    : new PagedKvCache(pagedOptions(device, options))
}

/** Bytes by which a live sequence's memory grows: a page for each tensor, or a block. */
export function granuleBytes(device: Device, options: BenchCacheOptions): number {
  return options.cache.kind === 'contiguous'
    ? ContiguousKvCache.geometry(contiguousOptions(device, options)).wasteBoundBytes
    : options.cache.blockTokens * tokenBytes(options.shape)
}

function common({ shape, maxSequences, maxLength, limitBytes }: BenchCacheOptions) {
  const { layers, kvHeads, headDim, dtype } = shape
  return { layers, kvHeads, headDim, dtype, maxSequences, maxLength, limitBytes }
}

/** @throws TypeError for a paged one */
export function contiguousOptions(
  device: Device,
  options: BenchCacheOptions,
): ContiguousCacheOptions {
  const { cache, mapAhead = false, pageBytes, sharePageBytes } = options
  if (cache.kind !== 'contiguous') throw new TypeError(`${cache.name} is not contiguous`)
  const classes = cache.pageBytes === undefined ? pageBytes : [cache.pageBytes]
  return {
    ...common(options),
    device,
    layout: cache.layout,
    mapAhead,
    ...(classes && { pageBytes: classes }),
    ...(sharePageBytes !== undefined && { sharePageBytes }),
  }
}

function pagedOptions(device: Device, options: BenchCacheOptions): PagedCacheOptions {
  const { cache, prefixCache = false } = options
  if (cache.kind !== 'paged') throw new TypeError(`${cache.name} is not paged`)
  const { blockTokens, poolLayout } = cache
  return { ...common(options), device, blockTokens, poolLayout, prefixCache }
}
