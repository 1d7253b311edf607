import { cpu, type DType } from '@vattention/interface'

import { checkNewTensor, DenseTensor } from './new-tensor.ts'
import type { OwnedTensor } from './owned-tensor.ts'
import { HostMemory } from './tensor-memory.ts'

/** A dense tensor in memory of its own, on the host. */
export interface HostTensor extends OwnedTensor, Disposable {
  readonly owner: HostMemory
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
  const bytes = checkNewTensor('hostTensor', dtype, shape)
  return new DenseTensor(dtype, shape, cpu, new HostMemory(bytes))
}
