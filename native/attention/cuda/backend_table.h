// The C table of a backend on CUDA, from its plan class.
#ifndef VATTENTION_ATTENTION_CUDA_BACKEND_TABLE_H_
#define VATTENTION_ATTENTION_CUDA_BACKEND_TABLE_H_

#include <memory>

#include "attention/common/config_check.h"
#include "attention/cuda/cuda_guard.h"
#include "attention/cuda/device_plan.h"
#include "attention/cuda/device_scope.h"
#include "attention/cuda/merge.h"

struct vattn_plan {
  std::unique_ptr<vattention::attention::cuda::DevicePlan> plan;
};

namespace vattention::attention::cuda {

// Backend: `static const Support support`; `static vattn_status Check(const Problem&, int device,
// vattn_error*)` for what Support cannot say, the device's compute capability among it; and
// `using Plan`, constructible from (Problem, const vattn_config&, const vattn_limits&).
template <typename Backend>
class BackendTable {
 public:
  static constexpr vattn_backend Make(const char* name) {
    return {sizeof(vattn_backend),
            VATTN_ABI_VERSION,
            name,
            &PlanCreate,
            &PlanPrepare,
            &PlanRun,
            &PlanAppend,
            &PlanWorkspaceBytes,
            &PlanDestroy,
            &Merge};
  }

 private:
  static vattn_status PlanCreate(const vattn_config* config, const vattn_limits* limits,
                                 vattn_plan** plan, vattn_error* error) {
    return CudaGuard(error, [&] {
      Problem problem;
      if (vattn_status status = CheckConfig(Backend::support, config, limits, &problem, error)) {
        return status;
      }
      const Device device = {VATTN_DEVICE_CUDA, limits->device_index};
      if (vattn_status status = CheckScales(*config, device, error)) return status;
      const DeviceScope scope(limits->device_index);
      if (vattn_status status = Backend::Check(problem, limits->device_index, error)) return status;
      auto made = std::make_unique<typename Backend::Plan>(std::move(problem), *config, *limits);
      made->Allocate();
      *plan = new vattn_plan{std::move(made)};
      return VATTN_OK;
    });
  }
  static vattn_status PlanPrepare(vattn_plan* plan, const vattn_cache_view* view,
                                  const vattn_batch* batch, vattn_stream stream,
                                  vattn_error* error) {
    return CudaGuard(error, [&] { return plan->plan->Prepare(view, batch, stream, error); });
  }
  static vattn_status PlanRun(vattn_plan* plan, int32_t layer, const vattn_tensor* query,
                              const vattn_tensor* key, const vattn_tensor* value,
                              const vattn_tensor* output, const vattn_tensor* lse,
                              vattn_error* error) {
    return CudaGuard(error,
                     [&] { return plan->plan->Run(layer, query, key, value, output, lse, error); });
  }
  static vattn_status PlanAppend(vattn_plan* plan, int32_t layer, const vattn_tensor* key,
                                 const vattn_tensor* value, vattn_error* error) {
    return CudaGuard(error, [&] { return plan->plan->Append(layer, key, value, error); });
  }
  static uint64_t PlanWorkspaceBytes(const vattn_plan* plan) {
    return plan->plan->WorkspaceBytes();
  }
  static void PlanDestroy(vattn_plan* plan) { delete plan; }
  static vattn_status Merge(const vattn_partial* partials, int32_t count,
                            const vattn_tensor* output, const vattn_tensor* lse,
                            vattn_stream stream, vattn_error* error) {
    return CudaGuard(
        error, [&] { return MergePartialResults(partials, count, output, lse, stream, error); });
  }
};

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_BACKEND_TABLE_H_
