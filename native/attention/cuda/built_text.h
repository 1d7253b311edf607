// What this build's kernels were compiled for, in words for JavaScript.
#ifndef VATTENTION_ATTENTION_CUDA_BUILT_TEXT_H_
#define VATTENTION_ATTENTION_CUDA_BUILT_TEXT_H_

#include <string>
#include <string_view>

#include "attention/built.h"
#include "vattention/device.h"

namespace vattention::attention::cuda {

// JSON: {"archs":["90a"],"headDims":[64,128],"dtypes":["bfloat16"],"softCap":false,"fp8":false}.
// Static.
const char* BuiltText();
// The same for a backend of fewer, or one that has a soft cap in any build: `archs` as "90a,80".
std::string MakeBuiltText(std::string_view archs, bool fp8,
                          std::string_view head_dims = VATTN_CUDA_HEAD_DIM_LIST,
                          bool soft_cap = VATTN_CUDA_SOFT_CAP != 0);

// Whether kernels of a head dim, or of 16-bit elements of a type, are in it.
constexpr bool HeadDimBuilt(int32_t dim) {
#define VATTN_SAME(D) || dim == D
  return false VATTN_CUDA_HEAD_DIMS(VATTN_SAME);
#undef VATTN_SAME
}
constexpr bool DtypeBuilt(int32_t dtype) {
  return (VATTN_CUDA_BFLOAT16 && dtype == VATTN_BFLOAT16) ||
         (VATTN_CUDA_FLOAT16 && dtype == VATTN_FLOAT16);
}

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_BUILT_TEXT_H_
