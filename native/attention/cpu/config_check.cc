#include "attention/cpu/config_check.h"

#include "attention/common/config_check.h"
#include "attention/common/error.h"
#include "attention/cpu/kernels.h"

namespace vattention::cpu {

using attention::Fail;
using attention::IsFloat;

namespace {

constexpr attention::Support kSupport = {
    .head_dims =
        [](int32_t key, int32_t value) {
          for (const int32_t dim : {key, value}) {
            if (dim < 8 || dim > kMaxHeadDim || dim % 8 != 0) return false;
          }
          return true;
        },
    .head_dims_text = "a multiple of 8 from 8 to 512",
    .dtypes = [](int32_t query, int32_t cache) { return IsFloat(query) && IsFloat(cache); },
    .dtypes_text = "float32, float16 or bfloat16",
    .pool =
        [](int32_t layout, int32_t, int32_t) {
          return layout == VATTN_POOL_NHD || layout == VATTN_POOL_PAGED_ATTENTION;
        },
    .pool_text = "NHD or PagedAttention's",
    .non_causal = true,
    .window = true,
    .soft_cap = true,
    .alibi = true,
    .sinks = true,
    .graphs = false,
};

vattn_status CheckThreads(const vattn_limits& limits, vattn_error* error) {
  if (limits.threads < 0 || limits.threads > 1024) {
    return Fail(error, VATTN_INVALID_ARGUMENT, "Threads: 0 (all) to 1024 required, found %d.",
                limits.threads);
  }
  const vattn_executor* executor = limits.executor;
  if (executor != nullptr && (executor->size < sizeof(vattn_executor) || executor->threads < 1 ||
                              executor->threads > 1024 || executor->parallel_for == nullptr)) {
    return Fail(error, VATTN_INVALID_ARGUMENT,
                "Executor: 1 to 1024 threads and a parallel_for required, found %d threads%s.",
                executor->threads, executor->parallel_for == nullptr ? " and no parallel_for" : "");
  }
  return VATTN_OK;
}

int32_t Pad(int32_t dim) { return (dim + kPadElements - 1) / kPadElements * kPadElements; }

}  // namespace

vattn_status CheckConfig(const vattn_config* config, const vattn_limits* limits, Problem* problem,
                         vattn_error* error) {
  Problem made{};
  if (vattn_status status = attention::CheckConfig(kSupport, config, limits, &made, error)) {
    return status;
  }
  if (vattn_status status = CheckThreads(*limits, error)) return status;
  made.key_pad = Pad(made.shape.head_dim);
  made.value_pad = Pad(made.shape.value_head_dim);
  *problem = std::move(made);
  return VATTN_OK;
}

}  // namespace vattention::cpu
