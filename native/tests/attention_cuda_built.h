// What the kernels of this build can be tested with. For tests of one backend: they see what was
// built, the fixture does not.
#ifndef VATTENTION_NATIVE_TESTS_ATTENTION_CUDA_BUILT_H_
#define VATTENTION_NATIVE_TESTS_ATTENTION_CUDA_BUILT_H_

#include <cstdint>
#include <vector>

#include "attention/built.h"
#include "vattention/device.h"

namespace vattention::testing {

inline std::vector<int32_t> BuiltHeadDims() {
  std::vector<int32_t> head_dims;
#define VATTN_ADD(D) head_dims.push_back(D);
  VATTN_CUDA_HEAD_DIMS(VATTN_ADD)
#undef VATTN_ADD
  return head_dims;
}

inline std::vector<int32_t> BuiltDtypes() {
  std::vector<int32_t> dtypes;
  if (VATTN_CUDA_BFLOAT16) dtypes.push_back(VATTN_BFLOAT16);
  if (VATTN_CUDA_FLOAT16) dtypes.push_back(VATTN_FLOAT16);
  return dtypes;
}

}  // namespace vattention::testing

#endif  // VATTENTION_NATIVE_TESTS_ATTENTION_CUDA_BUILT_H_
