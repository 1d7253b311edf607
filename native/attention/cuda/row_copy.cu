#include "attention/cuda/cuda_error.h"
#include "attention/cuda/row_copy.h"

namespace vattention::attention::cuda {

namespace {

constexpr int kElements = 8;  // 16 bytes
constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads)
    CopyKernel(const RowTensor from, const int32_t* from_row, const RowTensor to,
               const int32_t* to_row, int heads, int vectors) {
  const int64_t source = from_row == nullptr ? blockIdx.x : from_row[blockIdx.x];
  const int64_t target = to_row == nullptr ? blockIdx.x : to_row[blockIdx.x];
  for (int i = threadIdx.x; i < heads * vectors; i += blockDim.x) {
    const int head = i / vectors;
    const int element = i % vectors * kElements;
    const auto* read = static_cast<const uint16_t*>(from.data) + source * from.row_stride +
                       head * from.head_stride + element;
    auto* write =
        static_cast<uint16_t*>(to.data) + target * to.row_stride + head * to.head_stride + element;
    *reinterpret_cast<uint4*>(write) = *reinterpret_cast<const uint4*>(read);
  }
}

}  // namespace

void GatherRows(const RowTensor& from, const int32_t* row, int32_t rows, int32_t heads, int32_t dim,
                const RowTensor& to, cudaStream_t stream) {
  if (rows == 0) return;
  CopyKernel<<<rows, kThreads, 0, stream>>>(from, row, to, nullptr, heads, dim / kElements);
  CheckLaunch("the gather kernel");
}

void ScatterRows(const RowTensor& from, const int32_t* row, int32_t rows, int32_t heads,
                 int32_t dim, const RowTensor& to, cudaStream_t stream) {
  if (rows == 0) return;
  CopyKernel<<<rows, kThreads, 0, stream>>>(from, nullptr, to, row, heads, dim / kElements);
  CheckLaunch("the scatter kernel");
}

}  // namespace vattention::attention::cuda
