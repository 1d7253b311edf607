#include "attention/built.h"

#if VATTN_CUDA_BFLOAT16

#include "attention/paged_attention/decode_kernels.cuh"

namespace vattention::paged_attention {

void EnqueueBfloat16(const Decode& decode, cudaStream_t stream) {
  EnqueueOfType<__nv_bfloat16>(decode, stream);
}

}  // namespace vattention::paged_attention

#endif
