#include "attention/paged_attention/paged_attention_backend.h"

#include "attention/common/error.h"
#include "attention/cuda/backend_table.h"
#include "attention/cuda/built_text.h"
#include "attention/cuda/compute_capability.h"
#include "attention/paged_attention/plan.h"

namespace vattention::paged_attention {
namespace {

using attention::Fail;
using attention::Problem;

struct Backend {
  using Plan = paged_attention::Plan;

  static constexpr attention::Support support = {
      .head_dims = &attention::cuda::SameHeadDimBuilt,
      .head_dims_text = attention::cuda::kSameHeadDimText,
      .dtypes = &attention::cuda::SameDtypeOrE4m3Built,
      .dtypes_text =
          "float16 or bfloat16, as built (build:cuda --dtypes), the cache's as the query's or, if "
          "built (--fp8), float8_e4m3",
      .pool =
          [](int32_t layout, int32_t block_tokens, int32_t) {
            return layout == VATTN_POOL_PAGED_ATTENTION && BlockTokensBuilt(block_tokens);
          },
      .pool_text = "PagedAttention's own in blocks of 8, 16 or 32 tokens",
      .non_causal = true,
      .window = false,
      .soft_cap = false,
      .alibi = true,
      .sinks = false,
      .graphs = true,
  };

  static vattn_status Check(const Problem& problem, int device, vattn_error* error) {
    if (problem.cache_kind != VATTN_PAGED) {
      return Fail(error, VATTN_UNSUPPORTED,
                  "PagedAttention reads block tables: a paged cache required, found a contiguous "
                  "one.");
    }
    if (problem.max_length > kMostTokens) {
      return Fail(error, VATTN_UNSUPPORTED,
                  "PagedAttention: a longest length of at most %lld tokens required, found %lld.",
                  static_cast<long long>(kMostTokens), static_cast<long long>(problem.max_length));
    }
    if (!problem.alibi.empty() && !problem.causal) {
      return Fail(error, VATTN_UNSUPPORTED,
                  "Prompts go through FlashAttention-2, which adds ALiBi by distance in both "
                  "directions: ALiBi without a causal mask is not supported.");
    }
    return attention::cuda::CheckComputeCapability("PagedAttention", device, 80, true, error);
  }
};

constexpr vattn_backend kBackend = attention::cuda::BackendTable<Backend>::Make("paged-attention");

}  // namespace
}  // namespace vattention::paged_attention

const vattn_backend* vattn_paged_attention_backend(void) {
  return &vattention::paged_attention::kBackend;
}

const char* vattn_paged_attention_built(void) { return vattention::attention::cuda::BuiltText(); }
