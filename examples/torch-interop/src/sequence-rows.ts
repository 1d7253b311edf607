import type { ContiguousKvCache } from '@vattention/core'
import { dtypeBytes, type Sequence, type Tensor } from '@vattention/interface'

/** Keys or values of one layer. */
export interface Place {
  readonly layer: number
  readonly what: 'key' | 'value'
}

/** Tokens `[from, to)` of a sequence: `[token, kvHead, dim]`, where they lie in the cache. */
export function sequenceRows(
  cache: ContiguousKvCache,
  sequence: Sequence,
  { layer, what }: Place,
  from: number,
  to: number,
): Tensor {
  const view = cache.view()
  const tensor = view.layers[layer]![what] // [slot, token, kvHead, dim]
  const slot = new Int32Array(1)
  view.slots(Uint32Array.of(sequence), slot)
  const elements = slot[0]! * tensor.strides[0]! + from * tensor.strides[1]!
  return {
    ...tensor,
    data: tensor.data + BigInt(elements) * BigInt(dtypeBytes[tensor.dtype]),
    shape: [to - from, ...tensor.shape.slice(2)],
    strides: tensor.strides.slice(1),
  }
}
