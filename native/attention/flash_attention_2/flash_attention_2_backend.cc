#include "attention/flash_attention_2/flash_attention_2_backend.h"

#include "attention/common/error.h"
#include "attention/cuda/backend_table.h"
#include "attention/cuda/built_text.h"
#include "attention/cuda/compute_capability.h"
#include "attention/flash_attention_2/plan.h"

namespace vattention::flash_attention_2 {
namespace {

using attention::Fail;
using attention::Problem;

struct Backend {
  using Plan = flash_attention_2::Plan;

  static constexpr attention::Support support = {
      .head_dims = &attention::cuda::SameHeadDimBuilt,
      .head_dims_text = attention::cuda::kSameHeadDimText,
      .dtypes = &attention::cuda::SameDtypeBuilt,
      .dtypes_text =
          "float16 or bfloat16, as built (build:cuda --dtypes), the cache's as the query's",
      .pool =
          [](int32_t layout, int32_t block_tokens, int32_t head_dim) {
            return layout == VATTN_POOL_NHD && block_tokens % SplitTileKeys(head_dim) == 0;
          },
      .pool_text =
          "NHD in blocks of a multiple of 256 tokens (head dim <= 64), 128 (<= 128) or 64 (above)",
      .non_causal = true,
      .window = true,
      .soft_cap = VATTN_CUDA_SOFT_CAP != 0,
      .alibi = true,
      .sinks = false,
      .graphs = true,
  };

  static vattn_status Check(const Problem& problem, int device, vattn_error* error) {
    if (!problem.alibi.empty() && !problem.causal) {
      return Fail(error, VATTN_UNSUPPORTED,
                  "FlashAttention-2 adds ALiBi by distance in both directions: ALiBi without a "
                  "causal mask is not supported.");
    }
    return attention::cuda::CheckComputeCapability("FlashAttention-2", device, 80, true, error);
  }
};

constexpr vattn_backend kBackend =
    attention::cuda::BackendTable<Backend>::Make("flash-attention-2");

}  // namespace
}  // namespace vattention::flash_attention_2

const vattn_backend* vattn_flash_attention_2_backend(void) {
  return &vattention::flash_attention_2::kBackend;
}

const char* vattn_flash_attention_2_built(void) { return vattention::attention::cuda::BuiltText(); }
