/**
 * A tensor given to a backend, laid out with or without gaps. Gaps and outputs start as NaN: what is
 * read from a gap spoils the result, what is written to one shows, and what is not written does too.
 */
import { denseStrides, elementCount, type DType, type Tensor } from '@vattention/interface'

import { expect } from '../expect.ts'
import { readValues, viewOf, type Memory } from '../memory.ts'

/**
 * `dense`: no gaps. `rows`: rows of a wider buffer, as when one matrix product makes Q, K and V.
 * `spread`: gaps between heads too.
 */
export type Placement = 'dense' | 'rows' | 'spread'

/** Elements before the first row, between rows and between heads: 16 bytes, which GPUs load at once. */
const gaps: Readonly<Record<Placement, { lead: number; row: number; head: number }>> = {
  dense: { lead: 0, row: 0, head: 0 },
  rows: { lead: 24, row: 40, head: 0 },
  spread: { lead: 8, row: 16, head: 8 },
}

/** See the file's head. */
export interface Operand {
  readonly tensor: Tensor
  readonly memory: Memory
  /** Fails if anything outside the tensor was written. */
  expectGapsUntouched(): void
}

/** Makes `[tokens, heads, dim]` or `[tokens, heads]`, with `values` or full of NaN. */
export function makeOperand(
  memory: Memory,
  placement: Placement,
  dtype: DType,
  shape: readonly number[],
  values?: Float32Array,
): Operand {
  const { lead, row, head } = gaps[placement]
  const strides = denseStrides(shape)
  if (shape.length === 3) strides[1]! += head
  strides[0] = shape[1]! * strides[1]! + row
  const elements = Math.max(1, lead + shape[0]! * strides[0]! + row)
  const base = memory.tensor(dtype, [elements])
  memory.write(base, new Float32Array(elements).fill(NaN))
  const tensor = viewOf(base, lead, shape, strides)
  if (values) memory.write(tensor, values)
  return {
    tensor,
    memory,
    expectGapsUntouched() {
      if (placement === 'dense') return
      const all = readValues(memory, base)
      markInside(all, lead, shape, strides)
      const touched = all.findIndex((value) => !Number.isNaN(value))
      expect(touched < 0, `element ${touched} outside a [${shape.join(', ')}] tensor was written`)
    },
  }
}

/** Sets every element that belongs to the tensor to NaN. */
function markInside(
  all: Float32Array,
  lead: number,
  shape: readonly number[],
  strides: readonly number[],
): void {
  const inner = shape.at(-1)!
  const rows = inner === 0 ? 0 : elementCount(shape) / inner
  for (let i = 0; i < rows; i++) {
    const at =
      shape.length === 3
        ? Math.floor(i / shape[1]!) * strides[0]! + (i % shape[1]!) * strides[1]!
        : i * strides[0]!
    all.fill(NaN, lead + at, lead + at + inner)
  }
}
