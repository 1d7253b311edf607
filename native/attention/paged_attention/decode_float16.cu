#include "attention/built.h"

#if VATTN_CUDA_FLOAT16

#include "attention/paged_attention/decode_kernels.cuh"

namespace vattention::paged_attention {

void EnqueueFloat16(const Decode& decode, cudaStream_t stream) {
  EnqueueOfType<uint16_t>(decode, stream);
}

}  // namespace vattention::paged_attention

#endif
