// What the e4m3 kernels want besides an e4m3 cache: queries of that type, and scales in the order
// of their sequences.
#ifndef VATTENTION_ATTENTION_FLASH_ATTENTION_3_E4M3_H_
#define VATTENTION_ATTENTION_FLASH_ATTENTION_3_E4M3_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "attention/cuda/head_scale.h"
#include "attention/cuda/layer_call.h"

namespace vattention::flash_attention_3 {

struct QueryRows {
  attention::cuda::RowTensor query;  // bfloat16 [rows, heads, dim], 16-byte aligned
  int32_t rows;
  int32_t heads;
  int32_t dim;    // a multiple of 8
  int32_t group;  // query heads per KV head
  int32_t sequences;
  const int32_t* first_row;  // [sequences + 1], ascending, on the device
  const int32_t* slot;       // [sequences], on the device
  attention::cuda::HeadScale scale;
  void* quantized;  // e4m3 [rows, heads, dim] without gaps
};

// Rounds queries over their scales to the nearest e4m3; beyond its range, to its largest number.
// Enqueues it. Throws CudaError.
void QuantizeQueries(const QueryRows& rows, cudaStream_t stream);

// scales[i, head] = scale of (slot[i], head). Enqueues it. Throws CudaError.
void GatherScales(const attention::cuda::HeadScale& scale, const int32_t* slot, int32_t sequences,
                  int32_t heads, float* scales, cudaStream_t stream);

}  // namespace vattention::flash_attention_3

#endif  // VATTENTION_ATTENTION_FLASH_ATTENTION_3_E4M3_H_
