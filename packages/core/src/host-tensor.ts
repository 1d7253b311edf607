import {
  cpu,
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

import { HostMemory } from './host-memory.ts'
import type { OwnedTensor } from './owned-tensor.ts'

/** A dense tensor in memory of its own. */
export interface HostTensor extends OwnedTensor, Disposable {
  readonly owner: HostMemory
}

class DenseHostTensor implements HostTensor {
  readonly data: bigint
  readonly strides: readonly number[]
  readonly device: Device = cpu

  constructor(
    readonly dtype: DType,
    readonly shape: readonly number[],
    readonly owner: HostMemory,
  ) {
    this.data = owner.address
    this.strides = Object.freeze(denseStrides(shape))
  }

  [Symbol.dispose](): void {
    this.owner.release()
  }
}

/**
 * A tensor in new host memory: zeroed, dense, row-major, 64-byte aligned. `Symbol.dispose` gives the
 * memory back at once; without it, it goes when the tensor and its slices have been collected.
 *
 * @param dtype Element type.
 * @param shape Elements of each dimension, rank 1 to 6; 0 is fine.
 * @throws `ERR_VATTENTION_INVALID_TENSOR`, `ERR_VATTENTION_OUT_OF_MEMORY`.
 * @example
 * ```ts
 * using query = hostTensor('bfloat16', [tokens, heads, headDim])
 * write(query, Float32Array.from(values))
 * ```
 */
export function hostTensor(dtype: DType, shape: readonly number[]): HostTensor {
  const reasons: Reason[] = []
  if (!dtypes.includes(dtype)) reasons.push(reason('dtype', dtypes.join(' or '), String(dtype)))
  if (
    !Array.isArray(shape) ||
    shape.length < 1 ||
    shape.length > maxRank ||
    !shape.every((size) => Number.isSafeInteger(size) && size >= 0)
  ) {
    reasons.push(reason('shape', `1 to ${maxRank} integers of at least 0`, JSON.stringify(shape)))
  } else if (reasons.length === 0 && !isAddressable(shape, dtype)) {
    reasons.push(reason('shape', 'at most 2^53 bytes', `[${shape.join(', ')}]`))
  }
  if (reasons.length > 0) throw errors.invalidTensor('hostTensor', reasons)
  const bytes = elementCount(shape) * dtypeBytes[dtype]
  return new DenseHostTensor(dtype, Object.freeze([...shape]), new HostMemory(bytes))
}

function isAddressable(shape: readonly number[], dtype: DType): boolean {
  return elementCount(shape) * dtypeBytes[dtype] <= Number.MAX_SAFE_INTEGER
}

function reason(code: string, expected: string, found: string): Reason {
  return { code, message: `${code}: ${expected} required, found ${found}`, expected, found }
}
