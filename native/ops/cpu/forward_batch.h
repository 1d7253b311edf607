// One forward pass: what goes in and what comes out.
#ifndef VATTENTION_OPS_CPU_FORWARD_BATCH_H_
#define VATTENTION_OPS_CPU_FORWARD_BATCH_H_

#include <cstdint>
#include <vector>

#include "ops/cpu/sampler.h"

namespace vattention::ops {

// Rows of all sequences are concatenated; row r of sequence i has the position
// kv_lengths[i] - query_lengths[i] + r.
struct ForwardBatch {
  std::vector<uint32_t> sequences;      // handles of the cache
  std::vector<uint32_t> query_lengths;  // [sequences]
  std::vector<uint32_t> kv_lengths;     // [sequences], after this pass
  std::vector<int32_t> tokens;          // [sum of query_lengths]
  std::vector<uint32_t> logit_rows;     // rows whose next token is wanted, ascending
  std::vector<RowSampling> sampling;    // [logit_rows]
};

struct ForwardTimings {
  int64_t total_ns = 0;
  int64_t attention_ns = 0;
  int64_t matmul_ns = 0;
  int64_t sampling_ns = 0;
};

struct ForwardResult {
  std::vector<SampledToken> tokens;  // [logit_rows]
  ForwardTimings timings;
};

}  // namespace vattention::ops

#endif  // VATTENTION_OPS_CPU_FORWARD_BATCH_H_
