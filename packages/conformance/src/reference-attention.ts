/**
 * Attention in float64, written plainly: what every backend is compared with.
 *
 *   score(i, j)  = scale * q[i]·k[j], then soft cap, then ALiBi, then the mask
 *   output(i)    = sum over j of softmax(score(i, ·))[j] * v[j]
 *   lse(i)       = ln of the sum over j of exp(score(i, j)), the sink included
 *
 * Query row i of `queryLength` stands at position `kvLength - queryLength + i` (bottom-right).
 */
import type { Rounding } from './number-formats.ts'

/** One sequence's attention in one layer. Arrays are dense, in the order given. */
export interface ReferenceInput {
  /** `[queryLength, queryHeads, headDim]` */
  readonly query: Float32Array
  /** `[kvLength, kvHeads, headDim]`; may be longer. */
  readonly key: Float32Array
  /** `[kvLength, kvHeads, valueHeadDim]`; may be longer. */
  readonly value: Float32Array
  readonly queryLength: number
  readonly kvLength: number
  readonly queryHeads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly valueHeadDim: number
  /** Defaults to `1 / sqrt(headDim)`. */
  readonly scale?: number | undefined
  /** Defaults to `true`. */
  readonly causal?: boolean | undefined
  /** Tokens visible to each, itself included. Defaults to all. */
  readonly window?: number | undefined
  /** `softCap * tanh(score / softCap)`. Defaults to none. */
  readonly softCap?: number | undefined
  /** One per query head: `slope * (j - i)` is added to the score. */
  readonly alibiSlopes?: Float32Array | undefined
  /** One per query head: an unscaled logit that joins the softmax and has no value. */
  readonly sinks?: Float32Array | undefined
  /** Query rows to compute. Defaults to all, in order. */
  readonly rows?: readonly number[] | undefined
}

/** The results of the rows asked for. */
export interface ReferenceOutput {
  /** `[rows, queryHeads, valueHeadDim]` */
  readonly output: Float64Array
  /** `[rows, queryHeads]`, natural logarithm; -Infinity for a row that sees nothing. */
  readonly lse: Float64Array
}

/**
 * Computes the rows. With `round`, everything a kernel keeps in its own element type (scores,
 * probabilities, output) is rounded: the error of that result against the exact one is `pt`, the
 * yardstick of the tolerances.
 *
 * @param roundWeight Of kernels that keep weights, exp(score - highest), in a narrower type than the
 *   rest. Defaults to probabilities rounded by `round`.
 */
export function referenceAttention(
  input: ReferenceInput,
  round?: Rounding,
  roundWeight?: Rounding,
): ReferenceOutput {
  const { queryLength, kvLength, queryHeads, kvHeads, headDim, valueHeadDim } = input
  const { query, key, value, softCap, alibiSlopes, sinks, window } = input
  const scale = input.scale ?? 1 / Math.sqrt(headDim)
  const causal = input.causal ?? true
  const rows = input.rows ?? Array.from({ length: queryLength }, (_, row) => row)
  const output = new Float64Array(rows.length * queryHeads * valueHeadDim)
  const lse = new Float64Array(rows.length * queryHeads).fill(-Infinity)
  if (kvLength === 0) return { output, lse }
  const scores = new Float64Array(kvLength)

  for (const [index, row] of rows.entries()) {
    const position = kvLength - queryLength + row
    const last = causal ? position : kvLength - 1
    const first = window === undefined ? 0 : Math.max(0, position - window + 1)
    if (last < first) continue
    for (let head = 0; head < queryHeads; head++) {
      const kvHead = Math.floor(head / (queryHeads / kvHeads))
      const sink = sinks?.[head] ?? -Infinity
      const queryAt = (row * queryHeads + head) * headDim

      let highest = sink
      for (let j = first; j <= last; j++) {
        const keyAt = (j * kvHeads + kvHead) * headDim
        let score = scale * dot(query, queryAt, key, keyAt, headDim)
        if (round) score = round(score)
        if (softCap !== undefined) score = softCap * Math.tanh(score / softCap)
        if (alibiSlopes) score += alibiSlopes[head]! * (j - position)
        if (round) score = round(score)
        scores[j] = score
        if (score > highest) highest = score
      }

      let sum = Math.exp(sink - highest)
      for (let j = first; j <= last; j++) {
        const weight = Math.exp(scores[j]! - highest)
        scores[j] = weight
        sum += weight
      }
      const outputAt = (index * queryHeads + head) * valueHeadDim
      const sums = output.subarray(outputAt, outputAt + valueHeadDim)
      for (let j = first; j <= last; j++) {
        let probability = (roundWeight?.(scores[j]!) ?? scores[j]!) / sum
        if (round && !roundWeight) probability = round(probability)
        const valueAt = (j * kvHeads + kvHead) * valueHeadDim
        for (let d = 0; d < valueHeadDim; d++) sums[d]! += probability * value[valueAt + d]!
      }
      if (round) {
        for (let d = 0; d < valueHeadDim; d++) sums[d] = round(sums[d]!)
      }
      lse[index * queryHeads + head] = highest + Math.log(sum)
    }
  }
  return { output, lse }
}

/** Four sums side by side, so that one addition need not wait for the one before. */
function dot(a: Float32Array, aAt: number, b: Float32Array, bAt: number, length: number): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0]
  let d = 0
  for (; d + 4 <= length; d += 4) {
    s0 += a[aAt + d]! * b[bAt + d]!
    s1 += a[aAt + d + 1]! * b[bAt + d + 1]!
    s2 += a[aAt + d + 2]! * b[bAt + d + 2]!
    s3 += a[aAt + d + 3]! * b[bAt + d + 3]!
  }
  for (; d < length; d++) s0 += a[aAt + d]! * b[bAt + d]!
  return s0 + s1 + (s2 + s3)
}

/** Partial results over disjoint keys combined in float64: the same primitive as a backend's `merge`. */
export function referenceMerge(
  partials: readonly { readonly output: ArrayLike<number>; readonly lse: ArrayLike<number> }[],
  rows: number,
  dim: number,
): ReferenceOutput {
  const output = new Float64Array(rows * dim)
  const lse = new Float64Array(rows)
  for (let row = 0; row < rows; row++) {
    const highest = Math.max(...partials.map((partial) => partial.lse[row]!))
    if (highest === -Infinity) {
      lse[row] = -Infinity
      continue
    }
    let sum = 0
    for (const partial of partials) sum += Math.exp(partial.lse[row]! - highest)
    for (const partial of partials) {
      const weight = Math.exp(partial.lse[row]! - highest) / sum
      if (weight === 0) continue
      for (let d = 0; d < dim; d++)
        output[row * dim + d]! += weight * partial.output[row * dim + d]!
    }
    lse[row] = highest + Math.log(sum)
  }
  return { output, lse }
}
