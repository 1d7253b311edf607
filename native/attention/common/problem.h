// What a plan computes: the checked and completed configuration, in the words of the kernels.
#ifndef VATTENTION_ATTENTION_COMMON_PROBLEM_H_
#define VATTENTION_ATTENTION_COMMON_PROBLEM_H_

#include <cstdint>
#include <vector>

#include "vattention/attention.h"

namespace vattention::attention {

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
  bool needs_lse;
  bool batch_invariant;

  int32_t max_sequences;
  int32_t max_tokens;
  int64_t max_length;
  int32_t graph_sequences;  // 0: not to be captured
  int64_t graph_max_length;
};

// Bytes of one element; 0 for what is none.
inline int32_t ElementBytes(int32_t dtype) {
  switch (dtype) {
    case VATTN_FLOAT32:
    case VATTN_INT32:
      return 4;
    case VATTN_FLOAT16:
    case VATTN_BFLOAT16:
      return 2;
    case VATTN_FLOAT8_E4M3:
      return 1;
    default:
      return 0;
  }
}

inline bool IsFloat(int32_t dtype) {
  return dtype == VATTN_FLOAT32 || dtype == VATTN_FLOAT16 || dtype == VATTN_BFLOAT16;
}

// The first token that the query at `position` sees.
inline int64_t FirstSeen(const Problem& problem, int64_t position) {
  return problem.window == 0 || position < problem.window ? 0 : position - problem.window + 1;
}

}  // namespace vattention::attention

#endif  // VATTENTION_ATTENTION_COMMON_PROBLEM_H_
