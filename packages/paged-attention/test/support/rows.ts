import { read, write } from '@vattention/core'
import { dtypeBytes, type Sequence, type Tensor } from '@vattention/interface'

import type { PagedKvCache } from '../../src/index.ts'
import { tableOf } from './caches.ts'

/**
 * The row of one token in every tensor, `[kvHead, dim]` each: what a kernel of either pool layout
 * reads. Keys of the published layout are `[kvHead, dim/x, x]`.
 */
export function rowsOf(cache: PagedKvCache, sequence: Sequence, token: number): Tensor[] {
  const block = tableOf(cache, sequence)[Math.floor(token / cache.blockTokens)]!
  return rowsOfBlock(cache, block, token % cache.blockTokens)
}

/** The same, by block and row in it. */
export function rowsOfBlock(cache: PagedKvCache, block: number, row: number): Tensor[] {
  const view = cache.view()
  return view.layers.flatMap(({ key, value }) =>
    [key, value].map((tensor) => {
      // The token is dimension 1 of [block, token, head, dim], 3 of the published layouts.
      const dimension = view.layout === 'nhd' ? 1 : 3
      const offset = block * tensor.strides[0]! + row * tensor.strides[dimension]!
      const keep = (_: number, i: number) => i !== 0 && i !== dimension
      return {
        ...tensor,
        data: tensor.data + BigInt(offset * dtypeBytes[tensor.dtype]),
        shape: tensor.shape.filter(keep),
        strides: tensor.strides.filter(keep),
      }
    }),
  )
}

/** Fills the rows of tokens `[from, to)` with numbers that are theirs alone. */
export function fillRows(
  cache: PagedKvCache,
  sequence: Sequence,
  from: number,
  to: number,
  seed = 1,
): void {
  for (let token = from; token < to; token++) {
    for (const [i, tensor] of rowsOf(cache, sequence, token).entries()) {
      write(tensor, patternOf(tensor, token, seed + 1000 * i))
    }
  }
}

/** Whether tokens hold what `fillRows` wrote with `seed`. */
export function hasRows(
  cache: PagedKvCache,
  sequence: Sequence,
  from: number,
  to: number,
  seed = 1,
): boolean {
  return every(cache, sequence, from, to, (tensor, token, i) =>
    equal(read(tensor), patternOf(tensor, token, seed + 1000 * i)),
  )
}

/** Whether the rows of tokens are all zeroes. */
export function isZero(cache: PagedKvCache, sequence: Sequence, from: number, to: number): boolean {
  return every(cache, sequence, from, to, (tensor) => read(tensor).every((value) => value === 0))
}

function every(
  cache: PagedKvCache,
  sequence: Sequence,
  from: number,
  to: number,
  check: (tensor: Tensor, token: number, i: number) => boolean,
): boolean {
  for (let token = from; token < to; token++) {
    const rows = rowsOf(cache, sequence, token)
    if (!rows.every((tensor, i) => check(tensor, token, i))) return false
  }
  return true
}

function patternOf(tensor: Tensor, token: number, seed: number): Float32Array {
  const count = tensor.shape.reduce((product, size) => product * size, 1)
  return Float32Array.from({ length: count }, (_, i) => seed + token + i / 1024)
}

function equal(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  return a.length === b.length && Array.from(a).every((value, i) => value === b[i])
}
