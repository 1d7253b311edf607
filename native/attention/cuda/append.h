// New rows of K and V into the cache, in one launch.
#ifndef VATTENTION_ATTENTION_CUDA_APPEND_H_
#define VATTENTION_ATTENTION_CUDA_APPEND_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "attention/cuda/head_scale.h"
#include "attention/cuda/layer_call.h"

namespace vattention::attention::cuda {

// One of the cache's two tensors, [slot or block, token, head, dim]. Strides in elements.
struct CacheRows {
  void* data;
  int64_t slot_stride;
  int64_t token_stride;
  int64_t head_stride;
  int32_t dim;
  HeadScale scale;  // of an e4m3 cache
};

struct AppendArguments {
  RowTensor key;    // [rows, heads, dim]
  RowTensor value;  // likewise
  CacheRows key_cache;
  CacheRows value_cache;
  int32_t dtype;        // of key and value
  int32_t cache_dtype;  // the same, or VATTN_FLOAT8_E4M3
  int32_t heads;
  int32_t rows;
  int32_t sequences;
  const int32_t* first_row;   // [sequences + 1], ascending
  const int32_t* kv_length;   // [sequences]; rows of those with 0 are left out
  const int32_t* slot;        // [sequences]: the slot, or the row of `table`
  const int32_t* scale_slot;  // [sequences]: the slot in any case
  const int32_t* table;       // [sequences, table_stride]: blocks; NULL: contiguous
  int64_t table_stride;
  int32_t block_tokens;
};

// Enqueues it. Throws CudaError.
void AppendRows(const AppendArguments& arguments, cudaStream_t stream);

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_APPEND_H_
