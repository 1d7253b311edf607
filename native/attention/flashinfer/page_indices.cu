#include "attention/cuda/cuda_error.h"
#include "attention/flashinfer/page_indices.h"

namespace vattention::flashinfer {

namespace {

constexpr int kThreads = 128;

// Of the page `i` of a sequence.
__host__ __device__ int32_t PageIndex(const PageIndices& a, int sequence, int i) {
  if (a.block_table != nullptr) return a.block_table[sequence * a.block_table_stride + i];
  return a.slot[sequence] * a.steps.slot + i * a.steps.page;
}

// A block writes the indices of one sequence.
__global__ void __launch_bounds__(kThreads) PageIndicesKernel(const PageIndices a) {
  const int sequence = blockIdx.x;
  const int first = a.page_start[sequence];
  const int pages = a.page_start[sequence + 1] - first;
  for (int i = threadIdx.x; i < pages; i += kThreads) {
    a.page[first + i] = PageIndex(a, sequence, i);
  }
}

}  // namespace

void WritePageIndices(const PageIndices& indices) {
  for (int sequence = 0; sequence < indices.sequences; ++sequence) {
    const int first = indices.page_start[sequence];
    const int pages = indices.page_start[sequence + 1] - first;
    for (int i = 0; i < pages; ++i) indices.page[first + i] = PageIndex(indices, sequence, i);
  }
}

void FillPageIndices(const PageIndices& indices, cudaStream_t stream) {
  if (indices.sequences == 0) return;
  PageIndicesKernel<<<indices.sequences, kThreads, 0, stream>>>(indices);
  attention::cuda::CheckLaunch("the page index kernel");
}

}  // namespace vattention::flashinfer
