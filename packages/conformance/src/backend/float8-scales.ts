/**
 * Scales of a float8 cache: stored = round(value / scale), read back as stored * scale. Different
 * for each KV head, so that a swapped head shows, and powers of two, so that scaling itself never
 * rounds, whoever does it and in what order.
 */
import type { Tensor } from '@vattention/interface'

import type { Memory } from '../memory.ts'
import { roundAll } from '../number-formats.ts'

const exponents = { key: -5, value: -6 } as const

/** The scale of each KV head. */
export function float8Scales(kind: 'key' | 'value', kvHeads: number): Float32Array {
  return Float32Array.from({ length: kvHeads }, (_, head) => 2 ** (exponents[kind] + (head % 3)))
}

/** The tensors of a configuration's `fp8Scales`. */
export function float8ScaleTensors(
  memory: Memory,
  kvHeads: number,
): { key: Tensor; value: Tensor } {
  const make = (kind: 'key' | 'value') => {
    const tensor = memory.tensor('float32', [1, kvHeads])
    memory.write(tensor, float8Scales(kind, kvHeads))
    return tensor
  }
  return { key: make('key'), value: make('value') }
}

/** What a float8 cache stores for `[tokens, kvHeads, dim]`, in place. */
export function quantize(rows: Float32Array, scales: Float32Array, dim: number): Float32Array {
  for (let i = 0; i < rows.length; i++) {
    rows[i]! /= scales[Math.floor(i / dim) % scales.length]!
  }
  return roundAll('float8_e4m3', rows)
}

/** What a backend makes of the stored rows, in place. */
export function dequantize(rows: Float32Array, scales: Float32Array, dim: number): Float32Array {
  for (let i = 0; i < rows.length; i++) {
    rows[i]! *= scales[Math.floor(i / dim) % scales.length]!
  }
  return rows
}
