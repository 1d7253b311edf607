// CUDA's types of the C ABI's dtypes.
#ifndef VATTENTION_ATTENTION_FLASHINFER_ELEMENT_CUH_
#define VATTENTION_ATTENTION_FLASHINFER_ELEMENT_CUH_

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include "vattention/device.h"

namespace vattention::flashinfer {

template <int32_t kDtype>
struct ElementOf;
template <>
struct ElementOf<VATTN_FLOAT16> {
  using Type = half;
};
template <>
struct ElementOf<VATTN_BFLOAT16> {
  using Type = nv_bfloat16;
};
template <>
struct ElementOf<VATTN_FLOAT8_E4M3> {
  using Type = __nv_fp8_e4m3;
};
template <int32_t kDtype>
using Element = typename ElementOf<kDtype>::Type;

}  // namespace vattention::flashinfer

#endif  // VATTENTION_ATTENTION_FLASHINFER_ELEMENT_CUH_
