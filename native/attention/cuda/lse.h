// Log-sum-exps from the form that a kernel leaves them in to that of the contract: float32
// [tokens, heads], natural, -Infinity for an empty row.
#ifndef VATTENTION_ATTENTION_CUDA_LSE_H_
#define VATTENTION_ATTENTION_CUDA_LSE_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "attention/cuda/layer_call.h"

namespace vattention::attention::cuda {

struct LseArguments {
  const float* from;
  LseLayout layout;
  int32_t rows;
  int32_t heads;
  float* to;  // row 0 of the caller's tensor
  int64_t to_row_stride;
  int64_t to_head_stride;
  const int32_t* row;  // [rows]: the caller's row of each; NULL: first_row + i
  int32_t first_row;
  // For layout.alibi_shift:
  const float* alibi;  // [heads]
  int32_t sequences;
  const int32_t* query_start;  // [sequences + 1]
  const int32_t* kv_length;    // [sequences]
};

void WriteLse(const LseArguments& arguments, cudaStream_t stream);

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_LSE_H_
