import {
  deviceIndex,
  deviceName,
  deviceTypeCode,
  dtypeBytes,
  elementCount,
  errors,
  sameDevice,
  type Reason,
  type Stream,
  type Tensor,
} from '@vattention/interface'

import { isCallingThread } from '../../../native/node/cache-arguments.ts'
import { callNative } from '../../../native/node/native-error.ts'
import { tensorRecordLength, writeTensorRecord } from '../../../native/node/tensor-record.ts'
import { addon } from './addon.ts'
import { checkAnyStream } from './check-device.ts'
import { checkTensor } from './check-tensor.ts'
import { reason } from './reason.ts'
import { readBits, write } from './tensor-io.ts'

const records = new Float64Array(2 * tensorRecordLength)

/**
 * Copies a tensor's elements into another of the same dtype and shape, with any strides on both
 * sides, within a device, between devices, and between the host and a device.
 *
 * Without `stream` it waits for everything that the devices were given before, and is done when it
 * returns, like `read` and `write`. With a stream of one of the two devices it is given to the
 * stream: it may run after the call, can be captured, and memory of the host has to be pinned
 * (`pinnedTensor`) and must not be touched until the stream has passed.
 *
 * @throws `ERR_VATTENTION_INVALID_TENSOR` for tensors that do not go together or show memory that is
 * not there; `ERR_VATTENTION_INVALID_ARGUMENT` for a stream of another device and for memory that is
 * not mapped, or not pinned; `ERR_VATTENTION_DISPOSED`; `ERR_VATTENTION_UNSUPPORTED` without the
 * device; `ERR_VATTENTION_BUSY` without a stream while one of the device is captured.
 */
export function copy(from: Tensor, to: Tensor, stream?: Stream): void {
  checkTensor('from', from)
  checkTensor('to', to)
  const reasons = reasonsAgainst(from, to)
  if (reasons.length > 0) throw errors.invalidTensor('to', reasons)
  const inOrder = stream !== undefined && isOfDevice(stream, from, to)
  if (elementCount(from.shape) === 0) return
  if (!inOrder && (from.device.type === 'cpu' || to.device.type === 'cpu')) {
    write(to, readBits(from))
    return
  }
  writeTensorRecord(records, 0, from)
  writeTensorRecord(records, 1, to)
  const bytes = dtypeBytes[from.dtype]
  const { copyTensor } = addon()
  if (inOrder) {
    const { device, handle } = stream
    callNative(() =>
      copyTensor(records, bytes, deviceTypeCode(device), deviceIndex(device), handle),
    )
  } else {
    callNative(() => copyTensor(records, bytes))
  }
}

/** What `to` lacks to take `from`. */
function reasonsAgainst(from: Tensor, to: Tensor): Reason[] {
  const found: Reason[] = []
  const list = (sizes: readonly number[]) => `[${sizes.join(', ')}]`
  if (to.dtype !== from.dtype) found.push(reason('dtype', from.dtype, to.dtype))
  if (list(to.shape) !== list(from.shape)) {
    found.push(reason('shape', list(from.shape), list(to.shape)))
  }
  if (to.shape.some((size, i) => size > 1 && to.strides[i] === 0)) {
    found.push(reason('strides', 'an element for each value', list(to.strides)))
  }
  return found
}

/** Whether the copy is one in the order of a GPU's stream; else it is one of the calling thread. */
function isOfDevice(stream: Stream, from: Tensor, to: Tensor): boolean {
  checkAnyStream(stream)
  if (isCallingThread(stream)) return false
  const devices = [from.device, to.device].filter(({ type }) => type !== 'cpu')
  if (devices.some((device) => sameDevice(device, stream.device))) return true
  const expected =
    devices.length === 0
      ? 'none for a copy within the host'
      : `a stream of ${[...new Set(devices.map(deviceName))].join(' or ')}`
  throw errors.invalidArgument('stream', expected, deviceName(stream.device))
}
