/**
 * Tensors on their way into an addon: one reused Float64Array instead of objects that Node-API
 * would read property by property. native/node/tensor_record.h reads the same layout.
 *
 *   record: [ address, dtype, device type, device index, rank, shape x 6, stride x 6 ]
 *
 * An address fits a double exactly: user space ends below 2^53. An absent tensor has rank 0.
 */
import { deviceIndex, deviceTypeCode, dtypeCode, maxRank, type Tensor } from '@vattention/interface'

/** Doubles per tensor. */
export const tensorRecordLength = 5 + 2 * maxRank

/** Writes `tensor`, or its absence, as record number `index` of `records`. */
export function writeTensorRecord(
  records: Float64Array,
  index: number,
  tensor: Tensor | undefined,
): void {
  const at = index * tensorRecordLength
  if (tensor === undefined) {
    records[at + 4] = 0
    return
  }
  const { shape, strides } = tensor
  const rank = shape.length
  records[at] = Number(tensor.data)
  records[at + 1] = dtypeCode[tensor.dtype]
  records[at + 2] = deviceTypeCode(tensor.device)
  records[at + 3] = deviceIndex(tensor.device)
  records[at + 4] = rank
  for (let i = 0; i < rank; i++) {
    records[at + 5 + i] = shape[i]!
    records[at + 5 + maxRank + i] = strides[i]!
  }
}
