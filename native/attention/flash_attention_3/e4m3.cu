#include <cuda_bf16.h>
#include <cuda_fp8.h>

#include "attention/cuda/cuda_error.h"
#include "attention/cuda/find_sequence.cuh"
#include "attention/cuda/head_scale.cuh"
#include "attention/flash_attention_3/e4m3.h"

namespace vattention::flash_attention_3 {

using attention::cuda::CheckLaunch;
using attention::cuda::FindSequence;
using attention::cuda::HeadScale;
using attention::cuda::ScaleAt;

namespace {

constexpr int kThreads = 256;
// What one thread reads at once.
constexpr int kElements = 8;

// A block rounds one row of all heads.
__global__ void __launch_bounds__(kThreads) QuantizeKernel(const QueryRows a) {
  const int row = blockIdx.x;
  __shared__ int slot;
  if (threadIdx.x == 0 && a.scale.slot_stride != 0) {
    slot = a.slot[FindSequence(a.first_row, a.sequences, row)];
  }
  __syncthreads();
  const int vectors = a.dim / kElements;
  for (int i = threadIdx.x; i < a.heads * vectors; i += blockDim.x) {
    const int head = i / vectors;
    const int element = i % vectors * kElements;
    const float scale = ScaleAt(a.scale, a.scale.slot_stride != 0 ? slot : 0, head / a.group);
    const auto* source = static_cast<const __nv_bfloat16*>(a.query.data) +
                         row * a.query.row_stride + head * a.query.head_stride + element;
    union {
      uint4 all;
      __nv_bfloat16 element[kElements];
    } from = {*reinterpret_cast<const uint4*>(source)};
    union {
      uint2 all;
      __nv_fp8_storage_t element[kElements];
    } to;
#pragma unroll
    for (int e = 0; e < kElements; ++e) {
      to.element[e] = __nv_cvt_float_to_fp8(__bfloat162float(from.element[e]) / scale,
                                            __NV_SATFINITE, __NV_E4M3);
    }
    auto* target = static_cast<uint8_t*>(a.quantized) +
                   (static_cast<int64_t>(row) * a.heads + head) * a.dim + element;
    *reinterpret_cast<uint2*>(target) = to.all;
  }
}

__global__ void __launch_bounds__(kThreads)
    GatherKernel(const HeadScale scale, const int32_t* slot, int32_t sequences, int32_t heads,
                 float* scales) {
  const int i = blockIdx.x * kThreads + threadIdx.x;
  if (i < sequences * heads) scales[i] = ScaleAt(scale, slot[i / heads], i % heads);
}

}  // namespace

void QuantizeQueries(const QueryRows& rows, cudaStream_t stream) {
  if (rows.rows == 0) return;
  QuantizeKernel<<<rows.rows, kThreads, 0, stream>>>(rows);
  CheckLaunch("the kernel that rounds queries");
}

void GatherScales(const HeadScale& scale, const int32_t* slot, int32_t sequences, int32_t heads,
                  float* scales, cudaStream_t stream) {
  const int32_t count = sequences * heads;
  if (count == 0) return;
  GatherKernel<<<(count + kThreads - 1) / kThreads, kThreads, 0, stream>>>(scale, slot, sequences,
                                                                           heads, scales);
  CheckLaunch("the kernel that gathers scales");
}

}  // namespace vattention::flash_attention_3
