// Scales by head, where vLLM's kernels know one for all: what belongs to keys goes into queries,
// what belongs to values into outputs.
#ifndef VATTENTION_ATTENTION_PAGED_ATTENTION_SCALE_ROWS_H_
#define VATTENTION_ATTENTION_PAGED_ATTENTION_SCALE_ROWS_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "attention/cuda/head_scale.h"
#include "attention/cuda/layer_call.h"

namespace vattention::paged_attention {

struct ScaleArguments {
  attention::cuda::RowTensor from;  // [rows, heads, dim]
  attention::cuda::RowTensor to;    // likewise; may be the same memory
  int32_t dtype;
  int32_t rows;
  int32_t heads;
  int32_t dim;
  attention::cuda::HeadScale scale;  // of KV heads
  int32_t group;                     // heads of one KV head
  const int32_t* slot;               // [rows]
};

// Enqueues it. Throws CudaError.
void ScaleRows(const ScaleArguments& arguments, cudaStream_t stream);

}  // namespace vattention::paged_attention

#endif  // VATTENTION_ATTENTION_PAGED_ATTENTION_SCALE_ROWS_H_
