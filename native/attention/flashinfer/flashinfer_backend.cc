#include "attention/flashinfer/flashinfer_backend.h"

#include <string>

#include "attention/common/error.h"
#include "attention/cuda/backend_table.h"
#include "attention/cuda/built_text.h"
#include "attention/cuda/compute_capability.h"
#include "attention/flashinfer/dispatch.h"
#include "attention/flashinfer/plan.h"

namespace vattention::flashinfer {
namespace {

using attention::Fail;
using attention::Problem;
using attention::cuda::CheckComputeCapability;

constexpr attention::Support kSupport = {
    .head_dims = [](int32_t key, int32_t value) { return key == value && ServesHeadDim(key); },
    .head_dims_text = "64, 128 or 256, one of " VATTN_CUDA_HEAD_DIM_LIST
                      " (build:cuda --head-dims), for keys and values alike",
    .dtypes = &attention::cuda::SameDtypeOrE4m3Built,
    .dtypes_text =
        "float16 or bfloat16, as built (build:cuda --dtypes), and the cache's the same or, "
        "if built (--fp8), float8_e4m3",
    .pool = [](int32_t layout, int32_t, int32_t) { return layout == VATTN_POOL_NHD; },
    .pool_text = "NHD",
    .non_causal = true,
    .window = true,
    .soft_cap = true,
    .alibi = true,
    .sinks = false,
    .graphs = true,
};

struct Backend {
  using Plan = flashinfer::Plan;
  static constexpr const attention::Support& support = kSupport;
  static vattn_status Check(const Problem&, int device, vattn_error* error) {
    return CheckComputeCapability("FlashInfer", device, 80, true, error);
  }
};

constexpr attention::Support WithoutScores() {
  attention::Support support = kSupport;
  // Upstream's windows read a sequence's first tile of values (0.7.2), which may have slid away;
  // its soft cap is off by 2^-11 of itself.
  support.window = false;
  support.soft_cap = false;
  support.alibi = false;
  support.dtypes = &attention::cuda::SameDtypeBuilt;
  support.dtypes_text =
      "float16 or bfloat16, as built (build:cuda --dtypes), the cache's as the query's";
  return support;
}

struct HopperBackend {
  using Plan = HopperPlan;
  static constexpr attention::Support support = WithoutScores();
  static vattn_status Check(const Problem&, int device, vattn_error* error) {
    if (!HopperBuilt()) {
      return Fail(error, VATTN_UNSUPPORTED,
                  "FlashInfer for Hopper: kernels for 90a required, this build holds some for "
                  "%s. Build with --arch 90a.",
                  VATTN_CUDA_ARCHS);
    }
    // Its kernels are made of Hopper's own instructions: no later device has them.
    return CheckComputeCapability("FlashInfer for Hopper", device, 90, false, error);
  }
};

constexpr vattn_backend kBackend = attention::cuda::BackendTable<Backend>::Make("flashinfer");
constexpr vattn_backend kHopperBackend =
    attention::cuda::BackendTable<HopperBackend>::Make("flashinfer-hopper");

}  // namespace
}  // namespace vattention::flashinfer

const vattn_backend* vattn_flashinfer_backend(void) { return &vattention::flashinfer::kBackend; }

const char* vattn_flashinfer_built(void) {
  static const std::string text = vattention::attention::cuda::MakeBuiltText(
      VATTN_CUDA_ARCHS, VATTN_CUDA_FP8 != 0, vattention::flashinfer::ServedHeadDims(),
      /*soft_cap=*/true);
  return text.c_str();
}

const vattn_backend* vattn_flashinfer_hopper_backend(void) {
  return &vattention::flashinfer::kHopperBackend;
}

const char* vattn_flashinfer_hopper_built(void) {
  static const std::string text = vattention::attention::cuda::MakeBuiltText(
      vattention::flashinfer::HopperBuilt() ? "90a" : "", /*fp8=*/false,
      vattention::flashinfer::ServedHeadDims(), /*soft_cap=*/false);
  return text.c_str();
}
