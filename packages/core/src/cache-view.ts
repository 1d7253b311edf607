import {
  errors,
  type ContiguousView,
  type Device,
  type KvCacheShape,
  type Tensor,
} from '@vattention/interface'

import type { NativeCalls } from '../../../native/node/native-calls.ts'
import type { NativeCache, NativeTensor } from './addon.ts'
import type { OwnedTensor, TensorOwner } from './owned-tensor.ts'

/** The view of a cache: made once, valid until the cache is disposed. */
export function makeView(
  native: NativeCache,
  calls: NativeCalls,
  shape: KvCacheShape,
  device: Device,
  owner: TensorOwner,
): ContiguousView {
  const tensor = ({ data, shape: sizes, strides }: NativeTensor): Tensor => {
    const made: OwnedTensor = {
      data,
      dtype: shape.dtype,
      shape: Object.freeze(sizes),
      strides: Object.freeze(strides),
      device,
      owner,
    }
    return Object.freeze(made)
  }
  const { tailRows, layers } = native.view()
  return Object.freeze({
    kind: 'contiguous' as const,
    tailRows,
    layers: Object.freeze(
      layers.map(({ key, value }) => Object.freeze({ key: tensor(key), value: tensor(value) })),
    ),
    slots(sequences: Uint32Array, out: Int32Array): void {
      if (!(sequences instanceof Uint32Array)) {
        throw errors.invalidArgument('sequences', 'a Uint32Array', typeof sequences)
      }
      if (!(out instanceof Int32Array) || out.length < sequences.length) {
        const expected = `an Int32Array of at least ${sequences.length}`
        throw errors.invalidArgument(
          'out',
          expected,
          String((out as Int32Array | undefined)?.length),
        )
      }
      calls.check()
      try {
        native.slots(sequences, out)
      } catch (error) {
        throw calls.typed(error, sequences, native)
      }
    },
  })
}
