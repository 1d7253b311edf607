import { errors, type ContiguousCacheOptions, type Layout } from '@vattention/interface'

import { NativeCalls } from '../../../native/node/native-calls.ts'
import { nativeStatus } from '../../../native/node/native-error.ts'
import { addon, type NativeGeometry } from './addon.ts'
import { resolveOptions } from './contiguous-options.ts'

/** How a contiguous cache lays out its address space, and what that costs. */
export interface ContiguousGeometry extends Omit<NativeGeometry, 'rowBytes'> {
  readonly layout: Layout
  /** Tensors of the layout: 1, groups, or two for each layer. */
  readonly tensors: number
  /** Of all layers, K and V. */
  readonly bytesPerToken: number
  readonly smallestPageBytes: number
  /** Tokens whose rows one smallest page holds, by tensor with the longest rows; need not be whole. */
  readonly tokensPerPage: number
  /** Bytes one token takes in the first and in the last tensor. */
  readonly rowBytes: readonly [number, number]
  /** Address space of one slot, all tensors. */
  readonly slotBytes: number
  /** Address space of the cache. */
  readonly reservedBytes: number
  /** A live sequence wastes less than this: one smallest page for each tensor. */
  readonly wasteBoundBytes: number
}

/** The geometry that a cache with these options has. */
export function geometryOf(options: ContiguousCacheOptions): ContiguousGeometry {
  const { native, layout } = resolveOptions(options)
  const geometry = makeWith(() => addon().geometry(native))
  return {
    layout,
    ...geometry,
    tokensPerPage: geometry.smallestPageBytes / Math.max(...geometry.rowBytes),
  }
}

/**
 * Runs a call that takes options which TypeScript could not judge alone (sums beyond the address
 * space, what a driver refuses): its complaint is one about options.
 */
export function makeWith<Result>(call: () => Result): Result {
  try {
    return call()
  } catch (error) {
    if (!NativeCalls.isStatus(error, nativeStatus.invalidArgument)) {
      throw new NativeCalls(() => false).typed(error)
    }
    const { message } = error
    throw errors.invalidOptions('A contiguous KV cache', [
      { code: 'options', message, expected: 'options that fit together', found: message },
    ])
  }
}
