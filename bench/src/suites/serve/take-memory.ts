import type { KvCache } from '@vattention/interface'

/**
 * Takes the memory that sequences of these tokens need, as far as there is any, and gives it back to
 * the cache: what a server that has been running for a while has. A pool takes its memory when it is
 * made, a contiguous cache when tokens come.
 */
export function takeMemory(cache: KvCache, tokens: readonly number[]): void {
  const taken: Parameters<KvCache['free']>[0][] = []
  for (const length of tokens) {
    const allocation = cache.allocate()
    if (!allocation) break
    taken.push(allocation.sequence)
    const { status } = cache.step(Uint32Array.of(allocation.sequence), Uint32Array.of(length))
    if (status !== 'ok') break
  }
  for (const sequence of taken) cache.free(sequence)
}
