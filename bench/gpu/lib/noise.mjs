// Keys, values and queries: random normal numbers, made once on the host and appended again and
// again, shifted, so that every layer and every part of a sequence has others. The host knows them
// too, and computes single rows of attention from them to compare with.
import { write } from '@vattention/core'

import { normal } from './statistics.mjs'

const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

/** Rounded to bfloat16, to nearest even, as `write` does. */
export function bfloat16(value) {
  float[0] = value
  bits[0] = (bits[0] + 0x7fff + ((bits[0] >>> 16) & 1)) & 0xffff0000
  return float[0]
}

/** Rows of [heads, dim]: `rows` different ones, and the same again behind them. */
export class Noise {
  /** @param {{ tensor: Function }} gpu */
  constructor(gpu, { rows, heads, headDim, dtype, random }) {
    this.rows = rows
    this.rowSize = heads * headDim
    this.headDim = headDim
    const half = normal(rows * this.rowSize, random).map(bfloat16)
    this.values = new Float32Array(2 * half.length)
    this.values.set(half)
    this.values.set(half, half.length)
    this.tensor = gpu.tensor(dtype, [2 * rows, heads, headDim])
    write(this.tensor, this.values)
  }

  /** Numbers of one head in one row. */
  head(row, head) {
    const at = row * this.rowSize + head * this.headDim
    return this.values.subarray(at, at + this.headDim)
  }

  dispose() {
    this.tensor[Symbol.dispose]()
  }
}

/**
 * Attention of one query head over the keys that it sees, in double precision.
 *
 * @param {Float32Array} query [dim]
 * @param {number} count How many keys it sees.
 * @param {(token: number) => Float32Array} keyOf
 * @param {(token: number) => Float32Array} valueOf
 */
export function attentionRow(query, count, keyOf, valueOf) {
  const dim = query.length
  const scale = 1 / Math.sqrt(dim)
  const scores = new Float64Array(count)
  let most = -Infinity
  for (let token = 0; token < count; token++) {
    const key = keyOf(token)
    let dot = 0
    for (let i = 0; i < dim; i++) dot += query[i] * key[i]
    scores[token] = dot * scale
    if (scores[token] > most) most = scores[token]
  }
  const output = new Float64Array(dim)
  let sum = 0
  for (let token = 0; token < count; token++) {
    const weight = Math.exp(scores[token] - most)
    const value = valueOf(token)
    sum += weight
    for (let i = 0; i < dim; i++) output[i] += weight * value[i]
  }
  return output.map((value) => value / sum)
}
