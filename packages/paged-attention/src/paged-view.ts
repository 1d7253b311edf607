import {
  errors,
  type Device,
  type KvCacheShape,
  type PagedView,
  type PoolLayout,
  type Tensor,
} from '@vattention/interface'

import type { NativeCalls } from '../../../native/node/native-calls.ts'
import type { NativePagedCache, NativeTensor } from './addon.ts'

/** What a view is made of. */
export interface ViewSource {
  readonly native: NativePagedCache
  readonly calls: NativeCalls
  readonly shape: KvCacheShape
  readonly device: Device
  readonly blockTokens: number
  readonly poolLayout: PoolLayout
  /** Says whether the memory is gone; carried by every tensor. */
  readonly owner: { readonly disposed: boolean }
}

/** The view of a cache: made once, valid until the cache is disposed. */
export function makeView(source: ViewSource): PagedView {
  const { native, calls, shape, device, blockTokens, poolLayout, owner } = source
  const tensor = ({ data, shape: sizes, strides }: NativeTensor): Tensor => {
    const { dtype } = shape
    const made = { data, dtype, shape: Object.freeze(sizes), strides: Object.freeze(strides) }
    return Object.freeze({ ...made, device, owner })
  }
  const { blocks, finiteTail, layers } = native.view()
  return Object.freeze({
    kind: 'paged' as const,
    layout: poolLayout,
    blockTokens,
    blocks,
    finiteTail,
    layers: Object.freeze(
      layers.map(({ key, value }) => Object.freeze({ key: tensor(key), value: tensor(value) })),
    ),
    blockTables(sequences: Uint32Array, out: Int32Array, rowStride: number): number {
      if (!(sequences instanceof Uint32Array)) {
        throw errors.invalidArgument('sequences', 'a Uint32Array', typeof sequences)
      }
      if (!Number.isSafeInteger(rowStride) || rowStride < 0) {
        throw errors.invalidArgument('rowStride', 'an integer of at least 0', String(rowStride))
      }
      const least = sequences.length * rowStride
      if (!(out instanceof Int32Array) || out.length < least) {
        const found = out instanceof Int32Array ? String(out.length) : typeof out
        throw errors.invalidArgument('out', `an Int32Array of at least ${least}`, found)
      }
      calls.check()
      try {
        return native.blockTables(sequences, out, rowStride)
      } catch (error) {
        throw calls.typed(error, sequences, native)
      }
    },
  })
}
