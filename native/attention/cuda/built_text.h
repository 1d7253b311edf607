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

// What backends declare of themselves (Support). Head dims: those of the build, for keys and values
// alike.
constexpr bool SameHeadDimBuilt(int32_t key, int32_t value) {
  return key == value && HeadDimBuilt(key);
}
inline constexpr const char* kSameHeadDimText =
    "one of " VATTN_CUDA_HEAD_DIM_LIST " for keys and values alike (build:cuda --head-dims)";

// A cache of the queries' type; or, where that was built, one of e4m3.
constexpr bool SameDtypeBuilt(int32_t query, int32_t cache) {
  return query == cache && DtypeBuilt(query);
}
constexpr bool SameDtypeOrE4m3Built(int32_t query, int32_t cache) {
  return DtypeBuilt(query) && (query == cache || (VATTN_CUDA_FP8 && cache == VATTN_FLOAT8_E4M3));
}
// The same where kernels over an e4m3 cache write bfloat16 only.
constexpr bool SameDtypeOrBfloat16OverE4m3Built(int32_t query, int32_t cache) {
  return SameDtypeOrE4m3Built(query, cache) && (query == cache || query == VATTN_BFLOAT16);
}

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_BUILT_TEXT_H_
