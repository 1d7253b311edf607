// What attention computes and reads, so that a time becomes a rate. Masked pairs never count.
import { dtypeBytes } from '@vattention/interface'

import type { NamedShape } from '../suite/named-shape.ts'

/** Bytes of K and V of one token in one layer. */
export const layerTokenBytes = ({ kvHeads, headDim, dtype }: NamedShape): number =>
  2 * kvHeads * headDim * dtypeBytes[dtype]

/** Pairs of a query and a key that it sees, causal and bottom-right aligned. */
export function causalPairs(queryLength: number, kvLength: number): number {
  // The first row sees kvLength - queryLength + 1 keys, the last all.
  const first = kvLength - queryLength + 1
  return (queryLength * (first + kvLength)) / 2
}

/** Floating point operations of one layer: two for each product of both matrix multiplications. */
export const attentionFlop = ({ queryHeads, headDim }: NamedShape, pairs: number): number =>
  2 * pairs * queryHeads * 2 * headDim
