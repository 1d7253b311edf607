import { cpu, type Device, type DType } from '@vattention/interface'

import { checkCudaDevice, checkDevice } from './check-device.ts'
import { hostTensor, type HostTensor } from './host-tensor.ts'
import { checkNewTensor, DenseTensor } from './new-tensor.ts'
import type { OwnedTensor } from './owned-tensor.ts'
import { DeviceMemory, HostMemory, type TensorMemory } from './tensor-memory.ts'

/** A dense tensor in memory of its own, on any device. */
export interface DeviceTensor extends OwnedTensor, Disposable {
  readonly owner: TensorMemory
}

/**
 * A tensor in new memory of a device: zeroed, dense, row-major. On the CPU it is a `hostTensor`.
 *
 * `Symbol.dispose` gives a GPU's memory back in the order of its streams: it goes once every stream
 * of this thread, and the default stream, has passed this point, and nothing waits for that. The
 * same happens when the tensor and its slices have been collected. Who uses it on a stream that
 * another library has made (and that `copy` and `replay` were not given either) lets that work end
 * first.
 *
 * @param dtype Element type.
 * @param shape Elements of each dimension, rank 1 to 6; 0 is fine.
 * @param device Where.
 * @throws `ERR_VATTENTION_INVALID_TENSOR`, `ERR_VATTENTION_OUT_OF_MEMORY`,
 * `ERR_VATTENTION_UNSUPPORTED` without the device.
 * @example
 * ```ts
 * using query = deviceTensor('bfloat16', [tokens, heads, headDim], { type: 'cuda', index: 0 })
 * write(query, Float32Array.from(values))
 * ```
 */
export function deviceTensor(dtype: DType, shape: readonly number[], device: Device): DeviceTensor {
  checkDevice(device)
  if (device.type === 'cpu') return hostTensor(dtype, shape)
  const bytes = checkNewTensor('deviceTensor', dtype, shape)
  return new DenseTensor(dtype, shape, device, new DeviceMemory(bytes, device))
}

/**
 * A host tensor in memory that GPUs read and write by themselves: what `copy` wants when it is given
 * a stream. It is taken from what the system has for everybody and takes long to make: keep it.
 * Once no stream uses it any more, its memory goes to the next pinned tensor of at least half the size,
 * and to the system when the environment (the process, the worker) ends: CUDA gives pinned memory back
 * only when all work of the GPU is done, and whoever asks waits.
 *
 * @param dtype Element type.
 * @param shape Elements of each dimension, rank 1 to 6; 0 is fine.
 * @param device The GPU that it is made for; others of this machine reach it too.
 * @throws As `deviceTensor`, and `ERR_VATTENTION_INVALID_ARGUMENT` for a device that is no GPU.
 */
export function pinnedTensor(dtype: DType, shape: readonly number[], device: Device): HostTensor {
  checkCudaDevice(device)
  const bytes = checkNewTensor('pinnedTensor', dtype, shape)
  return new DenseTensor(dtype, shape, cpu, new HostMemory(bytes, device))
}
