import { errors } from './errors.ts'
import { dtypeBytes, type DType } from './dtype.ts'
import type { Device } from './device.ts'

/** Ranks above this do not fit the C ABI. */
export const maxRank = 6

/**
 * A strided view of memory that someone else owns: DLPack's model. `@vattention/core` makes, reads
 * and writes them; anyone else's pointer will do as well.
 */
export interface Tensor {
  /** Address of element `[0, ..., 0]`. */
  readonly data: bigint
  readonly dtype: DType
  /** Elements of each dimension; rank 1 to 6. */
  readonly shape: readonly number[]
  /** Elements between neighbours of each dimension; 0 and gaps are legal. */
  readonly strides: readonly number[]
  readonly device: Device
}

/** Strides, in elements, of a dense row-major tensor. */
export function denseStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length)
  let stride = 1
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride
    stride *= shape[i]!
  }
  return strides
}

/** Elements of a shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

/** Bytes between the first and the end of the last element that the tensor can reach. */
export function spanBytes(tensor: Pick<Tensor, 'dtype' | 'shape' | 'strides'>): number {
  if (elementCount(tensor.shape) === 0) return 0
  const last = tensor.shape.reduce((sum, size, i) => sum + (size - 1) * tensor.strides[i]!, 0)
  return (last + 1) * dtypeBytes[tensor.dtype]
}

/**
 * A view of part of a tensor: `start` and `end` of the first dimension.
 * @throws `ERR_VATTENTION_INVALID_ARGUMENT` when the range is not inside it.
 */
export function slice(tensor: Tensor, start: number, end: number): Tensor {
  const [rows, ...rest] = tensor.shape
  if (rows === undefined || !(start >= 0 && start <= end && end <= rows)) {
    throw errors.invalidArgument('range', `inside 0..${rows ?? 0}`, `${start}..${end}`)
  }
  const offset = BigInt(start * tensor.strides[0]! * dtypeBytes[tensor.dtype])
  return { ...tensor, data: tensor.data + offset, shape: [end - start, ...rest] }
}
