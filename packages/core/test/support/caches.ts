import type { ContiguousCacheOptions, Sequence, StepResult } from '@vattention/interface'
import { expect } from 'vitest'

import { ContiguousKvCache, type ContiguousTestOptions } from '../../src/index.ts'
import { u32 } from './sequence-rows.ts'

export { u32 } from './sequence-rows.ts'

export const pageBytes = 65536

/**
 * Small enough to count pages: a row of 1 KiB in each of the four tensors of the split layout, so 64
 * tokens to a page; 4 KiB for a token interleaved, so 16 to a page. Nothing works in the background.
 */
export const small: ContiguousCacheOptions = {
  layers: 2,
  kvHeads: 4,
  headDim: 64,
  dtype: 'float32',
  maxSequences: 8,
  maxLength: 2048,
  limitBytes: 2 ** 26,
  pageBytes: [pageBytes],
  mapAhead: false,
}

/** Of `small`. */
export const tokensPerPage = 64
export const tensors = 4
export const tokenBytes = 4096

export function makeCache(
  options: Partial<ContiguousCacheOptions> = {},
  test?: ContiguousTestOptions,
): ContiguousKvCache {
  return new ContiguousKvCache({ ...small, ...options }, test)
}

/** A new sequence, stepped to `length`. */
export function sequenceOf(cache: ContiguousKvCache, length: number): Sequence {
  const { sequence } = cache.allocate()!
  stepTo(cache, sequence, length)
  return sequence
}

/** Steps one sequence; the step must have found memory. */
export function stepTo(cache: ContiguousKvCache, sequence: Sequence, length: number): StepResult {
  const result = cache.step(u32(sequence), u32(length))
  expect(result.status).toBe('ok')
  return result
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

/** The bytes of each state. */
export function statesOf(cache: ContiguousKvCache) {
  const stats = cache.stats()
  const { mappedBytes, retainedBytes, parkedBytes, condemnedBytes, freeBytes, totalBytes } = stats
  expect(mappedBytes + retainedBytes + parkedBytes + condemnedBytes + freeBytes).toBe(totalBytes)
  return { mappedBytes, retainedBytes, parkedBytes, condemnedBytes, freeBytes }
}
