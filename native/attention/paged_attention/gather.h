// K and V of sequences out of their blocks, token by token: what prefill kernels read.
#ifndef VATTENTION_ATTENTION_PAGED_ATTENTION_GATHER_H_
#define VATTENTION_ATTENTION_PAGED_ATTENTION_GATHER_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "attention/paged_attention/pool.h"

namespace vattention::paged_attention {

struct GatherArguments {
  Pool pool;
  int32_t dtype;  // of what is written
  void* key;      // [tokens, heads, dim], dense
  void* value;    // likewise
  int32_t sequences;
  // [sequences + 1]: where the tokens of each begin in `key` and `value`, multiples of the pool's
  // block_tokens, and where the last ones end.
  const int32_t* first_token;
  int32_t tokens;            // first_token[sequences]
  const int32_t* kv_length;  // [sequences]
  const int32_t* slot;       // [sequences], for scales
  const int32_t* table;      // [sequences, table_stride]: blocks
  int64_t table_stride;
};

// Enqueues it; what lies behind a sequence's length is left as it is. Throws CudaError.
void GatherBlocks(const GatherArguments& arguments, cudaStream_t stream);

}  // namespace vattention::paged_attention

#endif  // VATTENTION_ATTENTION_PAGED_ATTENTION_GATHER_H_
