// One layer of a pool in the published layout, for kernels of ours.
#ifndef VATTENTION_ATTENTION_PAGED_ATTENTION_POOL_H_
#define VATTENTION_ATTENTION_PAGED_ATTENTION_POOL_H_

#include <cstdint>

#include "attention/cuda/head_scale.h"

namespace vattention::paged_attention {

using attention::cuda::HeadScale;

// Keys [block, head, dim / x, token, x] with x = 16 bytes of elements, values [block, head, dim,
// token]. Blocks and heads are as far apart in both.
struct Pool {
  void* key;
  void* value;
  int64_t block_stride;  // elements
  int64_t head_stride;
  int32_t dtype;  // of the queries, or VATTN_FLOAT8_E4M3
  int32_t heads;
  int32_t dim;
  int32_t block_tokens;
  HeadScale key_scale;  // of an e4m3 pool
  HeadScale value_scale;
};

}  // namespace vattention::paged_attention

#endif  // VATTENTION_ATTENTION_PAGED_ATTENTION_POOL_H_
