// Scales of an e4m3 cache, as kernels read them.
#ifndef VATTENTION_ATTENTION_CUDA_HEAD_SCALE_CUH_
#define VATTENTION_ATTENTION_CUDA_HEAD_SCALE_CUH_

#include <cstdint>

#include "attention/cuda/head_scale.h"

namespace vattention::attention::cuda {

__device__ inline float ScaleAt(const HeadScale& scale, int64_t slot, int64_t head) {
  if (scale.data == nullptr) return 1;
  return scale.data[slot * scale.slot_stride + head * scale.head_stride];
}

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_HEAD_SCALE_CUH_
