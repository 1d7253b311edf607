// The C table. Nothing thrown passes it.
#include "attention/common/guard.h"
#include "attention/cpu/config_check.h"
#include "attention/cpu/cpu_backend.h"
#include "attention/cpu/kernels.h"
#include "attention/cpu/merge.h"
#include "attention/cpu/plan.h"

struct vattn_plan {
  vattention::cpu::Plan plan;
};

namespace vattention::cpu {

using attention::Guard;

namespace {

vattn_status PlanCreate(const vattn_config* config, const vattn_limits* limits, vattn_plan** plan,
                        vattn_error* error) {
  return Guard(error, [&] {
    Problem problem;
    if (vattn_status status = CheckConfig(config, limits, &problem, error)) return status;
    *plan = new vattn_plan{Plan(std::move(problem), *limits)};
    return VATTN_OK;
  });
}

vattn_status PlanPrepare(vattn_plan* plan, const vattn_cache_view* view, const vattn_batch* batch,
                         vattn_stream stream, vattn_error* error) {
  return Guard(error, [&] { return plan->plan.Prepare(view, batch, stream, error); });
}

vattn_status PlanRun(vattn_plan* plan, int32_t layer, const vattn_tensor* query,
                     const vattn_tensor* key, const vattn_tensor* value, const vattn_tensor* output,
                     const vattn_tensor* lse, vattn_error* error) {
  return Guard(error, [&] { return plan->plan.Run(layer, query, key, value, output, lse, error); });
}

vattn_status PlanAppend(vattn_plan* plan, int32_t layer, const vattn_tensor* key,
                        const vattn_tensor* value, vattn_error* error) {
  return Guard(error, [&] { return plan->plan.Append(layer, key, value, error); });
}

uint64_t PlanWorkspaceBytes(const vattn_plan* plan) { return plan->plan.WorkspaceBytes(); }

void PlanDestroy(vattn_plan* plan) { delete plan; }

vattn_status Merge(const vattn_partial* partials, int32_t count, const vattn_tensor* output,
                   const vattn_tensor* lse, vattn_stream, vattn_error* error) {
  return Guard(error, [&] { return MergePartialResults(partials, count, output, lse, error); });
}

constexpr vattn_backend kBackend = {
    sizeof(vattn_backend), VATTN_ABI_VERSION,   "cpu",        &PlanCreate, &PlanPrepare, &PlanRun,
    &PlanAppend,           &PlanWorkspaceBytes, &PlanDestroy, &Merge};

}  // namespace
}  // namespace vattention::cpu

const vattn_backend* vattn_cpu_backend(void) { return &vattention::cpu::kBackend; }

const char* vattn_cpu_target(void) { return vattention::cpu::GetKernels().target; }
