/** What the cases on a GPU share. */
import assert from 'node:assert/strict'

import { SkipCase } from '@vattention/conformance'
import { ContiguousKvCache, deviceMemory, devices, read, write } from '@vattention/core'
import {
  elementCount,
  type ContiguousCacheOptions,
  type Device,
  type Sequence,
  type Tensor,
} from '@vattention/interface'

import { u32 } from '../support/sequence-rows.ts'

export { rowsOf, u32 } from '../support/sequence-rows.ts'

export const gpu: Device = { type: 'cuda', index: 0 }

/** Of the second GPU; skips the case where there is none. */
export function secondGpu(): Device {
  const { devices: found } = devices()
  if (found.length < 2) throw new SkipCase(`needs two GPUs, found ${found.length}`)
  return found[1]!.device
}

/** Skips the case on a GPU that has less memory free. */
export function needBytes(bytes: number): void {
  const { freeBytes } = deviceMemory(gpu)
  if (freeBytes < bytes) throw new SkipCase(`needs ${bytes} bytes, ${freeBytes} are free`)
}

/** A page of 2 MiB holds 128 tokens of all layers. Nothing works in the background. */
export const small: ContiguousCacheOptions = {
  layers: 4,
  kvHeads: 8,
  headDim: 128,
  dtype: 'bfloat16',
  maxSequences: 8,
  maxLength: 4096,
  limitBytes: 2 ** 28,
  mapAhead: false,
  device: gpu,
}
export const pageBytes = 2 ** 21
export const tokensPerPage = 128

export const makeCache = (options: Partial<ContiguousCacheOptions> = {}) =>
  new ContiguousKvCache({ ...small, ...options })

/** Steps one sequence; there must be memory. */
export function stepTo(cache: ContiguousKvCache, sequence: Sequence, length: number): void {
  const result = cache.step(u32(sequence), u32(length))
  assert.equal(result.status, 'ok', JSON.stringify(result))
}

/** A new sequence, stepped to `length`. */
export function sequenceOf(cache: ContiguousKvCache, length: number): Sequence {
  const { sequence } = cache.allocate()!
  stepTo(cache, sequence, length)
  return sequence
}

/** Numbers that are exact in bfloat16 and tell tensors and seeds apart. */
export function pattern(tensor: Tensor, seed: number): Float32Array {
  const values = new Float32Array(elementCount(tensor.shape))
  for (let i = 0; i < values.length; i++) values[i] = 1 + ((i + 7 * seed) % 127)
  return values
}

/** Writes a pattern into each of the tensors. */
export function fill(tensors: readonly Tensor[], seed: number): void {
  for (const [i, tensor] of tensors.entries()) write(tensor, pattern(tensor, seed + i))
}

/** Fails unless they hold what `fill` wrote. */
export function expectFilled(tensors: readonly Tensor[], seed: number): void {
  for (const [i, tensor] of tensors.entries()) {
    expectSame(read(tensor), pattern(tensor, seed + i), `tensor ${i}`)
  }
}

/** `assert.deepEqual` of large arrays takes minutes. */
export function expectSame(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  what: string,
): void {
  assert.equal(found.length, expected.length, what)
  for (let i = 0; i < found.length; i++) {
    if (found[i] !== expected[i]) assert.fail(`${what}: ${expected[i]} at ${i}, found ${found[i]}`)
  }
}

/** Fails unless they are zero. */
export function expectZero(tensors: readonly Tensor[]): void {
  for (const [i, tensor] of tensors.entries()) {
    const values = read(tensor)
    const at = values.findIndex((value) => value !== 0)
    assert.equal(at, -1, `tensor ${i} has ${values[at]} at ${at}`)
  }
}

/** What `assert.throws` and `assert.rejects` want. */
export const code = (name: string) => ({ code: `ERR_VATTENTION_${name}` })
