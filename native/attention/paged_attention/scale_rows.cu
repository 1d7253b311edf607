#include "attention/cuda/cuda_error.h"
#include "attention/paged_attention/element.cuh"
#include "attention/paged_attention/scale_rows.h"

namespace vattention::paged_attention {

namespace {

constexpr int kThreads = 256;

template <typename T>
__global__ void __launch_bounds__(kThreads) ScaleKernel(const ScaleArguments s) {
  const int64_t row = blockIdx.x;
  const int vectors = s.dim / kVector;
  const int slot = s.slot[row];
  for (int i = threadIdx.x; i < s.heads * vectors; i += blockDim.x) {
    const int head = i / vectors;
    const int element = i % vectors * kVector;
    const auto at = [&](const attention::cuda::RowTensor& rows) {
      return reinterpret_cast<Vector*>(static_cast<uint16_t*>(rows.data) + row * rows.row_stride +
                                       head * rows.head_stride + element);
    };
    const float scale = ScaleAt(s.scale, slot, head / s.group);
    Vector vector = *at(s.from);
#pragma unroll
    for (int e = 0; e < kVector; ++e) {
      vector.element[e] = FromFloat<T>(ToFloat<T>(vector.element[e]) * scale);
    }
    *at(s.to) = vector;
  }
}

}  // namespace

void ScaleRows(const ScaleArguments& arguments, cudaStream_t stream) {
  if (arguments.rows == 0) return;
  if (arguments.dtype == VATTN_BFLOAT16) {
    ScaleKernel<__nv_bfloat16><<<arguments.rows, kThreads, 0, stream>>>(arguments);
  } else {
    ScaleKernel<__half><<<arguments.rows, kThreads, 0, stream>>>(arguments);
  }
  attention::cuda::CheckLaunch("the scale kernel");
}

}  // namespace vattention::paged_attention
