// What the numbers of an e4m3 cache are multiplied with, by slot and KV head.
#ifndef VATTENTION_ATTENTION_CUDA_HEAD_SCALE_H_
#define VATTENTION_ATTENTION_CUDA_HEAD_SCALE_H_

#include <cstdint>

#include "vattention/device.h"

namespace vattention::attention::cuda {

// [slot, head] on the device, strides in elements, 0 where all are alike. Without data: 1.
struct HeadScale {
  const float* data = nullptr;
  int64_t slot_stride = 0;
  int64_t head_stride = 0;
};

// Of vattn_config's tensor, which has been checked; NULL: 1.
inline HeadScale ScaleOf(const vattn_tensor* tensor) {
  if (tensor == nullptr) return {};
  return {static_cast<const float*>(tensor->data), tensor->shape[0] == 1 ? 0 : tensor->stride[0],
          tensor->shape[1] == 1 ? 0 : tensor->stride[1]};
}

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_HEAD_SCALE_H_
