#include "attention/cuda/cuda_error.h"
#include "attention/flashinfer/page_indices.h"

namespace vattention::flashinfer {

namespace {

constexpr int kThreads = 128;

// A block writes the indices of one sequence.
__global__ void __launch_bounds__(kThreads) PageIndicesKernel(const PageIndices a) {
  const int sequence = blockIdx.x;
  const int first = a.page_start[sequence];
  const int pages = a.page_start[sequence + 1] - first;
  if (a.block_table != nullptr) {
    const int32_t* blocks = a.block_table + sequence * a.block_table_stride;
    for (int i = threadIdx.x; i < pages; i += kThreads) a.page[first + i] = blocks[i];
    return;
  }
  const int slot = a.slot[sequence] * a.steps.slot;
  for (int i = threadIdx.x; i < pages; i += kThreads) {
    a.page[first + i] = slot + i * a.steps.page;
  }
}

}  // namespace

void FillPageIndices(const PageIndices& indices, cudaStream_t stream) {
  if (indices.sequences == 0) return;
  PageIndicesKernel<<<indices.sequences, kThreads, 0, stream>>>(indices);
  attention::cuda::CheckLaunch("the page index kernel");
}

}  // namespace vattention::flashinfer
