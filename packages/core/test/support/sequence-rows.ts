/** Where a sequence's tokens lie. Without a test framework: cases on a GPU use it, too. */
import { slice, type ContiguousView, type Sequence, type Tensor } from '@vattention/interface'

import type { ContiguousKvCache } from '../../src/index.ts'

export const u32 = (...values: number[]) => Uint32Array.from(values)

/** The rows of tokens `[from, to)` of a sequence in all tensors of a view. */
export function rowsOf(
  cache: ContiguousKvCache,
  sequence: Sequence,
  from: number,
  to: number,
): Tensor[] {
  const view = cache.view()
  const slot = new Int32Array(1)
  view.slots(u32(sequence), slot)
  return rowsOfSlot(view, slot[0]!, from, to)
}

/** The same, by slot. */
export function rowsOfSlot(view: ContiguousView, slot: number, from: number, to: number): Tensor[] {
  return view.layers
    .flatMap(({ key, value }) => [key, value])
    .map((tensor) => {
      const slotTensor = slice(tensor, slot, slot + 1)
      const [, ...shape] = slotTensor.shape
      const [, ...strides] = slotTensor.strides
      return slice({ ...slotTensor, shape, strides }, from, to)
    })
}
