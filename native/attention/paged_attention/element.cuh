// Elements of queries and of caches, eight at a time.
#ifndef VATTENTION_ATTENTION_PAGED_ATTENTION_ELEMENT_CUH_
#define VATTENTION_ATTENTION_PAGED_ATTENTION_ELEMENT_CUH_

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <cstdint>

#include "attention/cuda/head_scale.cuh"

namespace vattention::paged_attention {

using attention::cuda::ScaleAt;

inline constexpr int kVector = 8;  // elements: 16 bytes of 16-bit ones

// 16-bit elements by their bits.
struct alignas(16) Vector {
  uint16_t element[kVector];
};

template <typename T>
__device__ inline float ToFloat(uint16_t bits);
template <>
__device__ inline float ToFloat<__nv_bfloat16>(uint16_t bits) {
  return __bfloat162float(__ushort_as_bfloat16(bits));
}
template <>
__device__ inline float ToFloat<__half>(uint16_t bits) {
  return __half2float(__ushort_as_half(bits));
}

template <typename T>
__device__ inline uint16_t FromFloat(float value);
template <>
__device__ inline uint16_t FromFloat<__nv_bfloat16>(float value) {
  return __bfloat16_as_ushort(__float2bfloat16(value));
}
template <>
__device__ inline uint16_t FromFloat<__half>(float value) {
  return __half_as_ushort(__float2half(value));
}

// A cache of the queries' own elements.
struct SameCache {
  using Element = uint16_t;
  __device__ static Element Store(uint16_t bits, float) { return bits; }
  __device__ static uint16_t Load(Element element, float) { return element; }
};

// A cache of e4m3 under queries of T.
template <typename T>
struct E4m3Cache {
  using Element = uint8_t;
  __device__ static Element Store(uint16_t bits, float scale) {
    return __nv_cvt_float_to_fp8(ToFloat<T>(bits) / scale, __NV_SATFINITE, __NV_E4M3);
  }
  __device__ static uint16_t Load(Element element, float scale) {
    const __half_raw half = __nv_cvt_fp8_to_halfraw(element, __NV_E4M3);
    return FromFloat<T>(__half2float(half) * scale);
  }
};

}  // namespace vattention::paged_attention

#endif  // VATTENTION_ATTENTION_PAGED_ATTENTION_ELEMENT_CUH_
