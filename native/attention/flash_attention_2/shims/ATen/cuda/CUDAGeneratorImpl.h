// Stands for PyTorch's header of this name. The state of a random generator is a member of
// FlashAttention-2's parameters, which travel to the device; without dropout nothing reads it.
#ifndef VATTENTION_ATTENTION_FLASH_ATTENTION_2_SHIMS_ATEN_CUDA_CUDAGENERATORIMPL_H_
#define VATTENTION_ATTENTION_FLASH_ATTENTION_2_SHIMS_ATEN_CUDA_CUDAGENERATORIMPL_H_

#include <cstdint>

namespace at {

struct PhiloxCudaState {
  uint64_t seed = 0;
  uint64_t offset = 0;
};

}  // namespace at

#endif  // VATTENTION_ATTENTION_FLASH_ATTENTION_2_SHIMS_ATEN_CUDA_CUDAGENERATORIMPL_H_
