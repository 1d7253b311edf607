// The page indices of a group's sequences, side by side, as FlashInfer's kernels read them.
#ifndef VATTENTION_ATTENTION_FLASHINFER_PAGE_INDICES_H_
#define VATTENTION_ATTENTION_FLASHINFER_PAGE_INDICES_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "attention/flashinfer/page_geometry.h"

namespace vattention::flashinfer {

// All on the device, or all on the host.
struct PageIndices {
  int32_t sequences;
  const int32_t* page_start;   // [sequences + 1]: first of each sequence's pages in `page`
  const int32_t* slot;         // [sequences]; contiguous
  PageSteps steps;             // contiguous
  const int32_t* block_table;  // [sequences, block_table_stride]; NULL: contiguous
  int64_t block_table_stride;
  int32_t* page;  // written
};

// On the host.
void WritePageIndices(const PageIndices& indices);
// On the device: enqueues it. Throws CudaError.
void FillPageIndices(const PageIndices& indices, cudaStream_t stream);

}  // namespace vattention::flashinfer

#endif  // VATTENTION_ATTENTION_FLASHINFER_PAGE_INDICES_H_
