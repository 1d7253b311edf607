import type { CacheEvent } from '@vattention/interface'

import { toCacheEvents } from '../../../native/node/cache-events.ts'
import { addon, type NativeCache, type NativeCacheOptions } from './addon.ts'
import { makeWith } from './geometry.ts'

/**
 * A native cache.
 *
 * The addon keeps the function it is given alive, and what users listen with often leads back to the
 * cache: neither could ever be collected. So that function knows `onEvent` weakly, and the native
 * object keeps it.
 */
export function createNativeCache(
  options: NativeCacheOptions,
  results: Float64Array,
  onEvent: ((event: CacheEvent) => void) | undefined,
): NativeCache {
  const { Cache } = addon()
  if (onEvent === undefined) return makeWith(() => new Cache(options, results, undefined))
  const weak = new WeakRef(onEvent)
  const cache = makeWith(
    () => new Cache(options, results, (numbers) => deliver(numbers, weak.deref())),
  )
  listeners.set(cache, onEvent)
  return cache
}

/** Each listener lives as long as its cache. */
const listeners = new WeakMap<NativeCache, (event: CacheEvent) => void>()

function deliver(numbers: Float64Array, onEvent: ((event: CacheEvent) => void) | undefined): void {
  if (onEvent === undefined) return
  for (const event of toCacheEvents(numbers)) {
    try {
      onEvent(event)
    } catch (error) {
      // The listener's mistake is not the cache's, and must not keep later events from it.
      queueMicrotask(() => {
        throw error
      })
    }
  }
}
