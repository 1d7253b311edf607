/**
 * How the kit reaches memory by address, so that it runs on any device: cases make tensors, fill
 * them, and read back what a backend or a cache wrote. The default is `@vattention/core`'s memory of
 * the backend's device.
 */
import { cpu, dtypeBytes, type Device, type DType, type Tensor } from '@vattention/interface'

/** Tensors on one device. */
export interface Memory {
  readonly device: Device
  /**
   * A dense, zeroed tensor. Its memory lives at least as long as the returned object; the kit keeps
   * hold of it while any view of it is in use.
   */
  tensor(dtype: DType, shape: readonly number[]): Tensor
  /**
   * The values of a tensor of any strides, packed in row-major order, once all work enqueued on the
   * device has ended. Every dtype is exact in float32.
   */
  read(tensor: Tensor): ArrayLike<number>
  /** Writes packed values into a tensor of any strides, rounding to nearest even. */
  write(tensor: Tensor, values: Float32Array): void
}

/** The values of a tensor as float32, whatever array the memory returns. */
export function readValues(memory: Memory, tensor: Tensor): Float32Array {
  const values = memory.read(tensor)
  return values instanceof Float32Array ? values : Float32Array.from(values)
}

/** A view of part of the memory that `base` describes, `offset` elements from its start. */
export function viewOf(
  base: Tensor,
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
): Tensor {
  const data = base.data + BigInt(offset) * BigInt(dtypeBytes[base.dtype])
  // Spread, so that what the owner of the memory attached to the tensor stays with the view.
  return { ...base, data, shape, strides }
}

/** What `@vattention/core` offers for host memory. */
export interface HostFunctions {
  hostTensor(dtype: DType, shape: readonly number[]): Tensor
  read(tensor: Tensor): ArrayLike<number>
  write(tensor: Tensor, values: Float32Array): void
}

/** Host memory from `@vattention/core`'s three functions. */
export function memoryFrom({ hostTensor, read, write }: HostFunctions): Memory {
  return { device: cpu, tensor: hostTensor, read, write }
}
