#include "attention/cpu/merge.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "attention/common/merge_check.h"
#include "attention/cpu/kernels.h"
#include "attention/cpu/problem.h"

namespace vattention::cpu {

namespace {

char* At(const vattn_tensor& tensor, int64_t token, int64_t head) {
  return static_cast<char*>(tensor.data) +
         (token * tensor.stride[0] + head * tensor.stride[1]) * ElementBytes(tensor.dtype);
}

}  // namespace

vattn_status MergePartialResults(const vattn_partial* partials, int32_t count,
                                 const vattn_tensor* output, const vattn_tensor* lse,
                                 vattn_error* error) {
  if (vattn_status status =
          attention::CheckMerge({VATTN_DEVICE_CPU, 0}, partials, count, output, lse, error))
    return status;
  const Kernels& kernels = GetKernels();
  std::vector<const char*> rows(static_cast<size_t>(count));
  std::vector<int32_t> dtypes(static_cast<size_t>(count));
  std::vector<float> weights(static_cast<size_t>(count));
  for (size_t i = 0; i < weights.size(); ++i) dtypes[i] = partials[i].output.dtype;
  for (int64_t token = 0; token < output->shape[0]; ++token) {
    for (int64_t head = 0; head < output->shape[1]; ++head) {
      const auto lse_of = [&](size_t i) {
        return static_cast<double>(*reinterpret_cast<float*>(At(partials[i].lse, token, head)));
      };
      double top = -std::numeric_limits<double>::infinity();
      for (size_t i = 0; i < weights.size(); ++i) top = std::max(top, lse_of(i));
      double sum = 0;
      if (std::isfinite(top)) {
        for (size_t i = 0; i < weights.size(); ++i) sum += std::exp(lse_of(i) - top);
      }
      const double merged = sum > 0 ? top + std::log(sum) : top;
      for (size_t i = 0; i < weights.size(); ++i) {
        rows[i] = At(partials[i].output, token, head);
        weights[i] = sum > 0 ? static_cast<float>(std::exp(lse_of(i) - merged)) : 0;
      }
      kernels.weigh(rows.data(), dtypes.data(), weights.data(), count,
                    static_cast<int32_t>(output->shape[2]), output->dtype,
                    At(*output, token, head));
      if (lse != nullptr) {
        *reinterpret_cast<float*>(At(*lse, token, head)) = static_cast<float>(merged);
      }
    }
  }
  return VATTN_OK;
}

}  // namespace vattention::cpu
