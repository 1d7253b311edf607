// The result of rows that see nothing: zeros, and a log-sum-exp of -Infinity.
#ifndef VATTENTION_ATTENTION_CUDA_FILL_EMPTY_H_
#define VATTENTION_ATTENTION_CUDA_FILL_EMPTY_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "attention/cuda/layer_call.h"

namespace vattention::attention::cuda {

// `output`: `rows` rows of [heads, dim] with elements of 2 bytes. `lse`: [rows, heads], or NULL.
void FillEmpty(const RowTensor& output, int32_t rows, int32_t heads, int32_t dim, float* lse,
               int64_t lse_row_stride, int64_t lse_head_stride, cudaStream_t stream);

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_FILL_EMPTY_H_
