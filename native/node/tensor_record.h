// Tensors as JavaScript hands them over: see tensor-record.ts, which writes the records.
#ifndef VATTENTION_NATIVE_NODE_TENSOR_RECORD_H_
#define VATTENTION_NATIVE_NODE_TENSOR_RECORD_H_

#include <cstdint>

#include "vattention/device.h"

namespace vattention::node {

// Doubles per record: address, dtype, device type, device index, rank, shape, stride.
inline constexpr int kTensorRecordLength = 5 + 2 * VATTN_MAX_RANK;

// Reads record number `index` of `records` [count, kTensorRecordLength] into `tensor`. Returns
// `tensor`, or nullptr when the record says that there is none.
inline const vattn_tensor* ReadTensorRecord(const double* records, int index,
                                            vattn_tensor* tensor) {
  const double* record = records + index * kTensorRecordLength;
  const int32_t rank = static_cast<int32_t>(record[4]);
  if (rank == 0) return nullptr;
  *tensor = {};
  tensor->data = reinterpret_cast<void*>(static_cast<uintptr_t>(record[0]));
  tensor->dtype = static_cast<int32_t>(record[1]);
  tensor->device_type = static_cast<int32_t>(record[2]);
  tensor->device_index = static_cast<int32_t>(record[3]);
  tensor->rank = rank;
  for (int32_t i = 0; i < rank && i < VATTN_MAX_RANK; ++i) {
    tensor->shape[i] = static_cast<int64_t>(record[5 + i]);
    tensor->stride[i] = static_cast<int64_t>(record[5 + VATTN_MAX_RANK + i]);
  }
  return tensor;
}

}  // namespace vattention::node

#endif  // VATTENTION_NATIVE_NODE_TENSOR_RECORD_H_
