#include "attention/flash_attention_3/flash_attention_3_backend.h"

#include <string>

#include "attention/common/error.h"
#include "attention/cuda/backend_table.h"
#include "attention/cuda/built_text.h"
#include "attention/cuda/compute_capability.h"
#include "attention/flash_attention_3/plan.h"

namespace vattention::flash_attention_3 {
namespace {

using attention::Problem;

struct Backend {
  using Plan = flash_attention_3::Plan;

  static constexpr attention::Support support = {
      .head_dims = &attention::cuda::SameHeadDimBuilt,
      .head_dims_text = attention::cuda::kSameHeadDimText,
      .dtypes = &attention::cuda::SameDtypeOrBfloat16OverE4m3Built,
      .dtypes_text =
          "float16 or bfloat16, as built (build:cuda --dtypes), the cache's as the query's or, if "
          "built (--fp8), float8_e4m3 for queries of bfloat16",
      .pool = [](int32_t layout, int32_t, int32_t) { return layout == VATTN_POOL_NHD; },
      .pool_text = "NHD",
      .non_causal = true,
      .window = true,
      .soft_cap = VATTN_CUDA_SOFT_CAP != 0,
      .alibi = false,
      .sinks = false,
      .graphs = true,
  };

  // Its kernels are made of Hopper's own instructions: no later device has them.
  static vattn_status Check(const Problem&, int device, vattn_error* error) {
    return attention::cuda::CheckComputeCapability("FlashAttention-3", device, 90, false, error);
  }
};

constexpr vattn_backend kBackend =
    attention::cuda::BackendTable<Backend>::Make("flash-attention-3");

}  // namespace
}  // namespace vattention::flash_attention_3

const vattn_backend* vattn_flash_attention_3_backend(void) {
  return &vattention::flash_attention_3::kBackend;
}

const char* vattn_flash_attention_3_built(void) {
  static const std::string text =
      vattention::attention::cuda::MakeBuiltText("90a", VATTN_CUDA_FP8 != 0);
  return text.c_str();
}
