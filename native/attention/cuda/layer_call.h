// What a backend's kernels are given for one layer of one group.
#ifndef VATTENTION_ATTENTION_CUDA_LAYER_CALL_H_
#define VATTENTION_ATTENTION_CUDA_LAYER_CALL_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "vattention/attention.h"

namespace vattention::attention::cuda {

// Rows of [heads, dim]; the elements of a head are dense. Strides in elements.
struct RowTensor {
  void* data;
  int64_t row_stride;
  int64_t head_stride;
};

struct LayerCall {
  int32_t layer;
  RowTensor query;   // the group's rows
  RowTensor output;  // likewise
  // The rows that were appended just now, of the group; data is NULL when the caller wrote them.
  RowTensor key;
  RowTensor value;
  const vattn_tensor* key_cache;  // this layer's view of the cache
  const vattn_tensor* value_cache;
  float* lse;  // the plan's own buffer, LseElements() long: kernels may write what they like to it
  bool wants_lse;
  cudaStream_t stream;
};

// How a kernel left log-sum-exps in LayerCall::lse: that of (row, head) at
// row * row_stride + head * head_stride, times `factor` for natural logarithms. An infinity of
// either sign is an empty row.
struct LseLayout {
  int64_t row_stride;
  int64_t head_stride;
  float factor = 1;
  // ALiBi kernels that add slope * j instead of slope * (j - i) are off by slope * i: subtract it.
  bool alibi_shift = false;
};

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_LAYER_CALL_H_
