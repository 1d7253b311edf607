// What attention computes and reads, so that a time becomes a rate. Masked pairs never count.

const dtypeBytes = { float32: 4, float16: 2, bfloat16: 2, float8_e4m3: 1 }

/** Llama-3-8B: what every bench here measures. */
export const llama = Object.freeze({
  name: 'llama-3-8b',
  layers: 32,
  queryHeads: 32,
  kvHeads: 8,
  headDim: 128,
  dtype: 'bfloat16',
})

/** Bytes of K and V of one token in one layer. */
export const tokenBytes = ({ kvHeads, headDim, dtype }) => 2 * kvHeads * headDim * dtypeBytes[dtype]

/** Pairs of a query and a key it sees, causal and bottom-right aligned. */
export function causalPairs(queryLength, kvLength) {
  // The first row sees kvLength - queryLength + 1 keys, the last all.
  const first = kvLength - queryLength + 1
  return (queryLength * (first + kvLength)) / 2
}

/** Floating point operations of one layer: two for each product of both matrix multiplications. */
export const attentionFlop = ({ queryHeads, headDim }, pairs) =>
  2 * pairs * queryHeads * 2 * headDim
