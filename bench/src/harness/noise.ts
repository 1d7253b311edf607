// Keys, values and queries: random normal numbers, made once on the host and appended again and
// again, shifted, so that every layer and every part of a sequence has others. The host knows them
// too, and computes single rows of attention from them to compare with.
import { read, write, type DeviceTensor } from '@vattention/core'
import type { DType } from '@vattention/interface'

import type { BenchDevice } from './bench-device.ts'
import type { Random } from './random.ts'

/** Numbers from a standard normal distribution, by Box and Muller. */
function normal(count: number, random: Random): Float32Array {
  const out = new Float32Array(count)
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()))
    const angle = 2 * Math.PI * random.uniform()
    out[i] = radius * Math.cos(angle)
    if (i + 1 < count) out[i + 1] = radius * Math.sin(angle)
  }
  return out
}

/** How noise is made. */
export interface NoiseOptions {
  /** Different ones. */
  readonly rows: number
  readonly heads: number
  readonly headDim: number
  readonly dtype: DType
  readonly random: Random
}

/** Rows of `[heads, dim]`: `rows` different ones, and the same again behind them. */
export class Noise implements Disposable {
  readonly rows: number
  /** On the device: `[2 * rows, heads, headDim]`. */
  readonly tensor: DeviceTensor
  readonly #heads: number
  readonly #headDim: number
  /** What the tensor holds, rounded as its dtype rounds. */
  readonly #values: Float32Array

  constructor(device: BenchDevice, { rows, heads, headDim, dtype, random }: NoiseOptions) {
    this.rows = rows
    this.#heads = heads
    this.#headDim = headDim
    this.tensor = device.tensor(dtype, [2 * rows, heads, headDim])
    const half = normal(rows * heads * headDim, random)
    const all = new Float32Array(2 * half.length)
    all.set(half)
    all.set(half, half.length)
    write(this.tensor, all)
    this.#values = read(this.tensor) as Float32Array
  }

  /** Numbers of one head in one row. */
  head(row: number, head: number): Float32Array {
    const at = (row * this.#heads + head) * this.#headDim
    return this.#values.subarray(at, at + this.#headDim)
  }

  [Symbol.dispose](): void {
    this.tensor[Symbol.dispose]()
  }
}

/**
 * Attention of one query head over the keys that it sees, in double precision: the oracle.
 *
 * @param query `[dim]`
 * @param count How many keys it sees.
 * @returns `[dim]`
 */
export function attentionRow(
  query: Float32Array,
  count: number,
  keyOf: (token: number) => Float32Array,
  valueOf: (token: number) => Float32Array,
): Float64Array {
  const dim = query.length
  const scale = 1 / Math.sqrt(dim)
  const scores = new Float64Array(count)
  let most = -Infinity
  for (let token = 0; token < count; token++) {
    const key = keyOf(token)
    let dot = 0
    for (let i = 0; i < dim; i++) dot += query[i]! * key[i]!
    scores[token] = dot * scale
    if (scores[token]! > most) most = scores[token]!
  }
  const output = new Float64Array(dim)
  let sum = 0
  for (let token = 0; token < count; token++) {
    const weight = Math.exp(scores[token]! - most)
    const value = valueOf(token)
    sum += weight
    for (let i = 0; i < dim; i++) output[i]! += weight * value[i]!
  }
  return output.map((value) => value / sum)
}
