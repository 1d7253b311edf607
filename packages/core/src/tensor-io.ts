/**
 * Reading and writing tensors by their address: what TypeScript cannot do by itself.
 *
 * Memory made by `hostTensor` is reached directly, within its bounds. Any other address (a cache's
 * rows, somebody else's pointer) is reached through the kernel: rows that are not backed are a typed
 * error then, where a plain load would end the process. Tensors on a GPU are copied by its driver,
 * behind everything that was given to the device before.
 */
import { elementCount, errors, type DType, type Tensor } from '@vattention/interface'

import { callNative } from '../../../native/node/native-error.ts'
import { tensorRecordLength, writeTensorRecord } from '../../../native/node/tensor-record.ts'
import { addon } from './addon.ts'
import { checkTensor } from './check-tensor.ts'
import { HostMemory } from './tensor-memory.ts'

type BitsArray = Uint8Array | Uint16Array | Uint32Array

const bitsArrays = {
  float32: Uint32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  float8_e4m3: Uint8Array,
  int32: Uint32Array,
} as const satisfies Record<DType, new (length: number) => BitsArray>

const record = new Float64Array(tensorRecordLength)

/**
 * A tensor's elements in row-major order, as numbers: an Int32Array for `int32`, a Float32Array for
 * all others (every 16-bit and 8-bit float is exact in it).
 *
 * @throws `ERR_VATTENTION_INVALID_TENSOR` for a tensor that is not one, or shows memory that is not
 * there; `ERR_VATTENTION_DISPOSED` when its memory was given back.
 */
export function read(tensor: Tensor): Float32Array | Int32Array {
  const direct = prepare('read', tensor)
  const count = elementCount(tensor.shape)
  const values = tensor.dtype === 'int32' ? new Int32Array(count) : new Float32Array(count)
  callNative(() => addon().readTensor(record, values, direct))
  return values
}

/**
 * A tensor's elements in row-major order, as their bits: a Uint8Array, Uint16Array or Uint32Array.
 * Throws as `read` does.
 */
export function readBits(tensor: Tensor): BitsArray {
  const direct = prepare('readBits', tensor)
  const values = new bitsArrays[tensor.dtype](elementCount(tensor.shape))
  callNative(() => addon().readTensor(record, values, direct))
  return values
}

/**
 * Writes a tensor's elements in row-major order. A Float32Array is rounded to nearest even where the
 * dtype is smaller; an `int32` tensor takes an Int32Array; any dtype takes its bits as `readBits`
 * gives them.
 *
 * @throws As `read`, and `ERR_VATTENTION_INVALID_ARGUMENT` for an array of another type or length.
 */
export function write(tensor: Tensor, values: Float32Array | Int32Array | BitsArray): void {
  const direct = prepare('write', tensor)
  const number = tensor.dtype === 'int32' ? Int32Array : Float32Array
  const bits = bitsArrays[tensor.dtype]
  if (!(values instanceof number) && !(values instanceof bits)) {
    throw errors.invalidArgument(
      'values',
      `a ${number.name} or (its bits) a ${bits.name}`,
      (values as object | undefined)?.constructor.name ?? String(values),
    )
  }
  const count = elementCount(tensor.shape)
  if (values.length !== count) {
    throw errors.invalidArgument('values', `${count} elements`, String(values.length))
  }
  callNative(() => addon().writeTensor(record, values, direct))
}

/** Checks the tensor, fills the record, and says whether the memory may be touched directly. */
function prepare(what: string, tensor: Tensor): boolean {
  const owner = checkTensor(what, tensor)
  writeTensorRecord(record, 0, tensor)
  return owner instanceof HostMemory
}
