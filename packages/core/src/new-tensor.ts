import {
  denseStrides,
  dtypeBytes,
  dtypes,
  elementCount,
  errors,
  maxRank,
  type Device,
  type DType,
  type Reason,
} from '@vattention/interface'

import type { OwnedTensor } from './owned-tensor.ts'
import { reason } from './reason.ts'
import type { TensorMemory } from './tensor-memory.ts'

/** A dense tensor in memory of its own. */
export class DenseTensor<Memory extends TensorMemory> implements OwnedTensor, Disposable {
  readonly data: bigint
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly strides: readonly number[]

  /** @internal */
  constructor(
    dtype: DType,
    shape: readonly number[],
    readonly device: Device,
    readonly owner: Memory,
  ) {
    this.data = owner.address
    this.dtype = dtype
    this.shape = Object.freeze([...shape])
    this.strides = Object.freeze(denseStrides(shape))
  }

  /** Gives the memory back; a second call does nothing. */
  [Symbol.dispose](): void {
    this.owner.release()
  }
}

/**
 * The bytes of a new tensor.
 * @throws `ERR_VATTENTION_INVALID_TENSOR` with all reasons against dtype and shape.
 */
export function checkNewTensor(what: string, dtype: DType, shape: readonly number[]): number {
  const reasons: Reason[] = []
  if (!dtypes.includes(dtype)) reasons.push(reason('dtype', dtypes.join(' or '), String(dtype)))
  if (
    !Array.isArray(shape) ||
    shape.length < 1 ||
    shape.length > maxRank ||
    !shape.every((size) => Number.isSafeInteger(size) && size >= 0)
  ) {
    reasons.push(reason('shape', `1 to ${maxRank} integers of at least 0`, JSON.stringify(shape)))
  } else if (reasons.length === 0 && bytesOf(dtype, shape) > Number.MAX_SAFE_INTEGER) {
    reasons.push(reason('shape', 'at most 2^53 bytes', `[${shape.join(', ')}]`))
  }
  if (reasons.length > 0) throw errors.invalidTensor(what, reasons)
  return bytesOf(dtype, shape)
}

const bytesOf = (dtype: DType, shape: readonly number[]) => elementCount(shape) * dtypeBytes[dtype]
