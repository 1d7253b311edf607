import type { Sequence, Tensor } from '@vattention/interface'

import { read, write, type ContiguousKvCache } from '../../src/index.ts'
import { rowsOf } from './sequence-rows.ts'

export { rowsOf, rowsOfSlot } from './sequence-rows.ts'

/** Fills the rows of tokens with numbers that are theirs alone. */
export function fillRows(
  cache: ContiguousKvCache,
  sequence: Sequence,
  from: number,
  to: number,
  seed: number,
): void {
  for (const [i, tensor] of rowsOf(cache, sequence, from, to).entries()) {
    write(tensor, patternOf(tensor, from, seed + 1000 * i))
  }
}

/** What `fillRows` wrote. */
export function patternOf(rows: Tensor, from: number, seed: number): Float32Array {
  const width = rows.shape[1]! * rows.shape[2]!
  const pattern = new Float32Array(rows.shape[0]! * width)
  for (let row = 0; row < rows.shape[0]!; row++) {
    const first = seed + from + row
    for (let i = 0; i < width; i++) pattern[row * width + i] = first + i / 1024
  }
  return pattern
}

/** Whether the rows hold what `fillRows` wrote with `seed`. */
export function hasRows(
  cache: ContiguousKvCache,
  sequence: Sequence,
  from: number,
  to: number,
  seed: number,
): boolean {
  return rowsOf(cache, sequence, from, to).every((tensor, i) =>
    equal(read(tensor), patternOf(tensor, from, seed + 1000 * i)),
  )
}

/** Whether the rows are all zeroes. */
export function isZero(
  cache: ContiguousKvCache,
  sequence: Sequence,
  from: number,
  to: number,
): boolean {
  return rowsOf(cache, sequence, from, to).every((tensor) =>
    read(tensor).every((value) => value === 0),
  )
}

function equal(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
