// What a plan computes: the checked and completed configuration, in the words of the kernels.
#ifndef VATTENTION_ATTENTION_CPU_PROBLEM_H_
#define VATTENTION_ATTENTION_CPU_PROBLEM_H_

#include <cstdint>
#include <vector>

#include "vattention/attention.h"

namespace vattention::cpu {

struct Problem {
  vattn_cache_shape shape;
  int32_t cache_kind;    // vattn_cache_kind
  int32_t pool_layout;   // paged: vattn_pool_layout
  int32_t block_tokens;  // paged
  int32_t query_heads;
  int32_t group;  // query heads of one KV head
  int32_t dtype;  // of query, key, value and output
  float scale;
  bool causal;
  int32_t window;            // 0: all
  float soft_cap;            // 0: none
  std::vector<float> alibi;  // [query_heads], or empty
  std::vector<float> sinks;  // [query_heads], or empty

  int32_t max_sequences;
  int32_t max_tokens;
  int64_t max_length;

  int32_t key_pad;    // shape.head_dim, rounded up to what kernels load at once
  int32_t value_pad;  // shape.value_head_dim, likewise
};

// Bytes of one element; 0 for what this backend does not know.
inline int32_t ElementBytes(int32_t dtype) {
  switch (dtype) {
    case VATTN_FLOAT32:
      return 4;
    case VATTN_FLOAT16:
    case VATTN_BFLOAT16:
      return 2;
    default:
      return 0;
  }
}

}  // namespace vattention::cpu

#endif  // VATTENTION_ATTENTION_CPU_PROBLEM_H_
