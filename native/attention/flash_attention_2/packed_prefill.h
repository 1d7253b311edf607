// Whole prompts over their own fresh K and V, packed as the queries are: what a cache without
// prefill kernels uses.
#ifndef VATTENTION_ATTENTION_FLASH_ATTENTION_2_PACKED_PREFILL_H_
#define VATTENTION_ATTENTION_FLASH_ATTENTION_2_PACKED_PREFILL_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "attention/cuda/layer_call.h"

namespace vattention::flash_attention_2 {

struct PackedPrefill {
  int32_t dtype;  // of all four
  int32_t head_dim;
  int32_t query_heads;
  int32_t kv_heads;
  int32_t sequences;
  int32_t rows;  // of query
  int32_t max_query;
  int32_t max_key;
  float scale;
  bool causal;                        // bottom-right aligned
  const float* alibi;                 // [query_heads] on the device, or NULL
  attention::cuda::RowTensor query;   // [rows, query_heads, head_dim]
  attention::cuda::RowTensor output;  // likewise
  attention::cuda::RowTensor key;     // [key rows, kv_heads, head_dim]
  attention::cuda::RowTensor value;   // likewise
  const int32_t* query_start;         // [sequences + 1]
  const int32_t* key_start;           // [sequences + 1]: first row of each sequence's keys
  const int32_t* key_length;          // [sequences]
  float* lse;                         // DevicePlan's LayerCall::lse
};

// Enqueues it; returns where the log-sum-exps are. Throws CudaError. The head dim and dtype must be
// among those that this build holds.
attention::cuda::LseLayout RunPackedPrefill(const PackedPrefill& prefill, cudaStream_t stream);

}  // namespace vattention::flash_attention_2

#endif  // VATTENTION_ATTENTION_FLASH_ATTENTION_2_PACKED_PREFILL_H_
