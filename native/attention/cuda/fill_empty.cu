#include <cmath>

#include "attention/cuda/cuda_error.h"
#include "attention/cuda/fill_empty.h"

namespace vattention::attention::cuda {

namespace {

constexpr int kElements = 8;  // 16 bytes
constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads)
    FillKernel(const RowTensor output, int heads, int vectors, float* lse, int64_t lse_row_stride,
               int64_t lse_head_stride) {
  const int64_t row = blockIdx.x;
  for (int i = threadIdx.x; i < heads * vectors; i += blockDim.x) {
    auto* to = static_cast<uint16_t*>(output.data) + row * output.row_stride +
               i / vectors * output.head_stride + i % vectors * kElements;
    *reinterpret_cast<uint4*>(to) = uint4{0, 0, 0, 0};
  }
  if (lse == nullptr) return;
  for (int head = threadIdx.x; head < heads; head += blockDim.x) {
    lse[row * lse_row_stride + head * lse_head_stride] = -INFINITY;
  }
}

}  // namespace

void FillEmpty(const RowTensor& output, int32_t rows, int32_t heads, int32_t dim, float* lse,
               int64_t lse_row_stride, int64_t lse_head_stride, cudaStream_t stream) {
  if (rows == 0) return;
  FillKernel<<<rows, kThreads, 0, stream>>>(output, heads, dim / kElements, lse, lse_row_stride,
                                            lse_head_stride);
  CheckLaunch("the kernel of empty rows");
}

}  // namespace vattention::attention::cuda
