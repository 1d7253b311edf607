// Gathering rows that a kernel wants side by side, and scattering its output.
#ifndef VATTENTION_ATTENTION_CUDA_ROW_COPY_H_
#define VATTENTION_ATTENTION_CUDA_ROW_COPY_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "attention/cuda/layer_call.h"

namespace vattention::attention::cuda {

// to[i] = from[row[i]] for `rows` rows of [heads, dim] with elements of 2 bytes; `row` NULL:
// from[i].
void GatherRows(const RowTensor& from, const int32_t* row, int32_t rows, int32_t heads, int32_t dim,
                const RowTensor& to, cudaStream_t stream);
// to[row[i]] = from[i].
void ScatterRows(const RowTensor& from, const int32_t* row, int32_t rows, int32_t heads,
                 int32_t dim, const RowTensor& to, cudaStream_t stream);

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_ROW_COPY_H_
