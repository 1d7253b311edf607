#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include "attention/cuda/append.h"
#include "attention/cuda/append_place.cuh"
#include "attention/cuda/cuda_error.h"
#include "attention/cuda/head_scale.cuh"

namespace vattention::attention::cuda {

namespace {

// What one thread moves at once.
constexpr int kVectorBytes = 16;
constexpr int kThreads = 256;

// Elements of 16 bits as e4m3, over what they will be multiplied with; beyond its range, its
// largest number.
__device__ uint2 Quantized(const uint4& vector, bool bfloat16, float scale) {
  union {
    uint4 all;
    uint16_t element[kVectorBytes / 2];
  } from = {vector};
  union {
    uint2 all;
    __nv_fp8_storage_t element[kVectorBytes / 2];
  } to;
#pragma unroll
  for (int i = 0; i < kVectorBytes / 2; ++i) {
    const float value = bfloat16 ? __bfloat162float(__ushort_as_bfloat16(from.element[i]))
                                 : __half2float(__ushort_as_half(from.element[i]));
    to.element[i] = __nv_cvt_float_to_fp8(value / scale, __NV_SATFINITE, __NV_E4M3);
  }
  return to.all;
}

// A block copies one row of K and V of all heads: neighbouring threads neighbouring vectors.
template <bool kE4m3>
__global__ void __launch_bounds__(kThreads) AppendKernel(const AppendArguments a) {
  constexpr int kElements = kVectorBytes / 2;
  const int row = blockIdx.x;
  __shared__ AppendPlace place;
  if (threadIdx.x == 0) place = PlaceOf(a, row);
  __syncthreads();
  if (!place.wanted) return;
  const int key_vectors = a.key_cache.dim / kElements;
  const int value_vectors = a.value_cache.dim / kElements;
  const int total = a.heads * (key_vectors + value_vectors);
  for (int i = threadIdx.x; i < total; i += blockDim.x) {
    const bool is_key = i < a.heads * key_vectors;
    const int j = is_key ? i : i - a.heads * key_vectors;
    const int vectors = is_key ? key_vectors : value_vectors;
    const int head = j / vectors;
    const int element = j % vectors * kElements;
    const RowTensor& from = is_key ? a.key : a.value;
    const CacheRows& to = is_key ? a.key_cache : a.value_cache;
    const auto* source = static_cast<const uint16_t*>(from.data) + row * from.row_stride +
                         head * from.head_stride + element;
    const int64_t target = place.slot * to.slot_stride + place.token * to.token_stride +
                           head * to.head_stride + element;
    const uint4 vector = *reinterpret_cast<const uint4*>(source);
    if constexpr (kE4m3) {
      *reinterpret_cast<uint2*>(static_cast<uint8_t*>(to.data) + target) =
          Quantized(vector, a.dtype == VATTN_BFLOAT16, ScaleAt(to.scale, place.scale_slot, head));
    } else {
      *reinterpret_cast<uint4*>(static_cast<uint16_t*>(to.data) + target) = vector;
    }
  }
}

}  // namespace

void AppendRows(const AppendArguments& arguments, cudaStream_t stream) {
  if (arguments.rows == 0) return;
  const int vectors =
      arguments.heads * (arguments.key_cache.dim + arguments.value_cache.dim) * 2 / kVectorBytes;
  const int threads = vectors >= kThreads ? kThreads : (vectors + 31) / 32 * 32;
  if (arguments.cache_dtype == VATTN_FLOAT8_E4M3) {
    AppendKernel<true><<<arguments.rows, threads, 0, stream>>>(arguments);
  } else {
    AppendKernel<false><<<arguments.rows, threads, 0, stream>>>(arguments);
  }
  CheckLaunch("the append kernel");
}

}  // namespace vattention::attention::cuda
