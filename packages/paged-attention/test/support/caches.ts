import type { PagedCacheOptions, Sequence, StepResult } from '@vattention/interface'
import { expect } from 'vitest'

import { PagedKvCache, type PagedTestOptions } from '../../src/index.ts'

/** Tokens per block, blocks in the pool, and bytes of a token (all layers, K and V). */
export const blockTokens = 8
export const blocks = 24
export const tokenBytes = 2 * 2 * (8 + 4) * 4
export const blockBytes = blockTokens * tokenBytes

/** Small enough to count blocks. */
export const small: PagedCacheOptions = {
  layers: 2,
  kvHeads: 2,
  headDim: 8,
  valueHeadDim: 4,
  dtype: 'float32',
  maxSequences: 8,
  maxLength: 160,
  limitBytes: blocks * blockBytes,
  blockTokens,
}

export function makeCache(
  options: Partial<PagedCacheOptions> = {},
  test?: PagedTestOptions,
): PagedKvCache {
  return new PagedKvCache({ ...small, ...options }, test)
}

export const u32 = (...values: number[]) => Uint32Array.from(values)

/** Tokens `first`, `first + 1`, ... */
export const tokensOf = (count: number, first = 100) =>
  Uint32Array.from({ length: count }, (_, i) => first + i)

/** A new sequence, stepped to `length`. */
export function sequenceOf(cache: PagedKvCache, length: number): Sequence {
  const { sequence } = cache.allocate()!
  stepTo(cache, sequence, length)
  return sequence
}

/** Steps one sequence; the step must have found memory. */
export function stepTo(cache: PagedKvCache, sequence: Sequence, length: number): StepResult {
  const result = cache.step(u32(sequence), u32(length))
  expect(result.status).toBe('ok')
  return result
}

/** The block table of one sequence, as wide as it is. */
export function tableOf(cache: PagedKvCache, sequence: Sequence): number[] {
  const width = Math.ceil(cache.shape.maxLength / cache.blockTokens)
  const out = new Int32Array(width)
  const widest = cache.view().blockTables(u32(sequence), out, width)
  return [...out.subarray(0, widest)]
}

/** How many blocks are in each state. */
export function blocksOf(cache: PagedKvCache) {
  const stats = cache.stats()
  const { mappedBytes, retainedBytes, condemnedBytes, freeBytes } = stats
  expect(mappedBytes + retainedBytes + condemnedBytes + freeBytes).toBe(stats.totalBytes)
  expect(stats.neededBytes + stats.aheadBytes).toBe(mappedBytes)
  return {
    mapped: mappedBytes / blockBytes,
    cached: retainedBytes / blockBytes,
    condemned: condemnedBytes / blockBytes,
    free: freeBytes / blockBytes,
  }
}

/** Matches errors by their code. */
export const code = (expected: string) =>
  expect.objectContaining({ code: `ERR_VATTENTION_${expected}` })

/** The reasons of the error that `action` throws, by code. */
export function reasonsOf(action: () => unknown): string[] {
  try {
    action()
  } catch (error) {
    return (error as { reasons: { code: string }[] }).reasons.map((reason) => reason.code)
  }
  return []
}
