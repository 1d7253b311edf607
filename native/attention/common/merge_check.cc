#include "attention/common/merge_check.h"

#include <string>

#include "attention/common/error.h"
#include "attention/common/problem.h"

namespace vattention::attention {

vattn_status CheckMerge(const Device& device, const vattn_partial* partials, int32_t count,
                        const vattn_tensor* output, const vattn_tensor* lse, vattn_error* error) {
  if (partials == nullptr || count < 1) {
    return Fail(error, VATTN_INVALID_ARGUMENT, "At least one partial result is required, found %d.",
                count);
  }
  if (output == nullptr || output->rank != 3 || !IsFloat(output->dtype)) {
    return Fail(error, VATTN_INVALID_ARGUMENT,
                "output: [tokens, heads, dim] of float32, float16 or bfloat16 required.");
  }
  const int64_t* shape = output->shape;
  if (vattn_status status = CheckTensor("output", output, device, {shape[0], shape[1], shape[2]},
                                        output->dtype, error)) {
    return status;
  }
  if (lse != nullptr) {
    if (vattn_status status =
            CheckTensor("lse", lse, device, {shape[0], shape[1]}, VATTN_FLOAT32, error)) {
      return status;
    }
  }
  for (int32_t i = 0; i < count; ++i) {
    const std::string name = "partials[" + std::to_string(i) + "]";
    const int32_t dtype = partials[i].output.dtype;
    if (!IsFloat(dtype)) {
      return Fail(error, VATTN_INVALID_ARGUMENT,
                  "%s.output: float32, float16 or bfloat16 required, found dtype %d.", name.c_str(),
                  dtype);
    }
    if (vattn_status status = CheckTensor((name + ".output").c_str(), &partials[i].output, device,
                                          {shape[0], shape[1], shape[2]}, dtype, error)) {
      return status;
    }
    if (vattn_status status = CheckTensor((name + ".lse").c_str(), &partials[i].lse, device,
                                          {shape[0], shape[1]}, VATTN_FLOAT32, error)) {
      return status;
    }
  }
  return VATTN_OK;
}

}  // namespace vattention::attention
