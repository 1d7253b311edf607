#include "attention/paged_attention/decode.h"

#include <algorithm>
#include <limits>

#include "attention/built.h"
#include "attention/cuda/cuda_error.h"
#include "vattention/device.h"

namespace vattention::paged_attention {

int32_t SequencesAtOnce(const Decode& decode) {
  constexpr int64_t kMostRows = 65535;  // of a grid
  const int64_t partitions = std::max(1, Partitions(decode.max_length));
  const int64_t largest =
      std::max({decode.query_stride, decode.table_stride,
                int64_t{decode.query_heads} * decode.head_dim * partitions, int64_t{1}});
  const int64_t reach = std::numeric_limits<int32_t>::max() / largest;
  return static_cast<int32_t>(std::clamp<int64_t>(reach, 1, kMostRows));
}

void EnqueueDecode(const Decode& decode, cudaStream_t stream) {
#if VATTN_CUDA_BFLOAT16
  if (decode.dtype == VATTN_BFLOAT16) return EnqueueBfloat16(decode, stream);
#endif
#if VATTN_CUDA_FLOAT16
  if (decode.dtype == VATTN_FLOAT16) return EnqueueFloat16(decode, stream);
#endif
  attention::cuda::Check(cudaErrorNoKernelImageForDevice, "paged_attention");
}

}  // namespace vattention::paged_attention
