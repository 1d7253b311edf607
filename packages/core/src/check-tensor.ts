import {
  dtypes,
  elementCount,
  errors,
  maxRank,
  spanBytes,
  type Device,
  type Reason,
  type Tensor,
} from '@vattention/interface'

import { liveOwner, type TensorOwner } from './owned-tensor.ts'
import { reason } from './reason.ts'
import { TensorMemory } from './tensor-memory.ts'

/** Typed arrays hold no more elements than this. */
const mostElements = 2 ** 32

/**
 * Checks a tensor that is to be read or written; returns the owner of its memory, if it has one.
 * @throws `ERR_VATTENTION_INVALID_TENSOR` with all reasons, `ERR_VATTENTION_DISPOSED`.
 */
export function checkTensor(what: string, tensor: Tensor): TensorOwner | undefined {
  const reasons = reasonsAgainst(tensor)
  if (reasons.length > 0) throw errors.invalidTensor(what, reasons)
  const owner = liveOwner(tensor)
  if (owner instanceof TensorMemory) checkInside(what, tensor, owner)
  return owner
}

function checkInside(what: string, tensor: Tensor, { address, bytes }: TensorMemory): void {
  const offset = Number(tensor.data - address)
  const span = spanBytes(tensor)
  if (offset >= 0 && offset + span <= bytes) return
  throw errors.invalidTensor(what, [
    reason('data', `inside the ${bytes} bytes of its owner`, `bytes ${offset}..${offset + span}`),
  ])
}

function reasonsAgainst(tensor: Tensor): Reason[] {
  if (typeof tensor !== 'object' || tensor === null) {
    return [reason('tensor', 'a tensor', String(tensor))]
  }
  const { data, dtype, shape, strides, device } = tensor
  const found: Reason[] = []
  if (!dtypes.includes(dtype)) found.push(reason('dtype', dtypes.join(' or '), String(dtype)))
  if (device?.type !== 'cpu' && device?.type !== 'cuda') {
    found.push(reason('device', 'cpu or cuda', String((device as Device | undefined)?.type)))
  }
  const integers = (list: unknown): list is readonly number[] =>
    Array.isArray(list) && list.every((value) => Number.isSafeInteger(value) && value >= 0)
  if (!integers(shape) || shape.length < 1 || shape.length > maxRank) {
    found.push(reason('shape', `1 to ${maxRank} integers of at least 0`, JSON.stringify(shape)))
  } else if (!integers(strides) || strides.length !== shape.length) {
    const expected = `${shape.length} integers of at least 0`
    found.push(reason('strides', expected, JSON.stringify(strides)))
  } else if (elementCount(shape) >= mostElements) {
    found.push(reason('shape', `fewer than ${mostElements} elements`, `[${shape.join(', ')}]`))
  } else if (typeof data !== 'bigint' || (data <= 0n && elementCount(shape) > 0)) {
    found.push(reason('data', 'an address', String(data)))
  }
  return found
}
