// Whether the tensors of a call are what the plan computes with.
#ifndef VATTENTION_ATTENTION_COMMON_TENSOR_CHECK_H_
#define VATTENTION_ATTENTION_COMMON_TENSOR_CHECK_H_

#include <cstdint>
#include <initializer_list>

#include "vattention/device.h"

namespace vattention::attention {

struct Device {
  int32_t type;   // vattn_device_type
  int32_t index;  // 0 on the CPU
};

// A tensor of `device`, `shape` and `dtype` with strides of at least 0 whose last is 1.
vattn_status CheckTensor(const char* name, const vattn_tensor* tensor, const Device& device,
                         std::initializer_list<int64_t> shape, int32_t dtype, vattn_error* error);

}  // namespace vattention::attention

#endif  // VATTENTION_ATTENTION_COMMON_TENSOR_CHECK_H_
