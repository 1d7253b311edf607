// The backends that are measured: their C tables, and upstream's launchers of the same kernels.
#ifndef VATTENTION_BENCH_NATIVE_BACKENDS_H_
#define VATTENTION_BENCH_NATIVE_BACKENDS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "bench/native/raw_attention.h"
#include "vattention/attention.h"

namespace vattention::bench {

struct Backend {
  const char* name;
  const vattn_backend* table;
  std::unique_ptr<RawAttention> (*make_raw)(const RawProblem&);
  int32_t block_tokens;  // of its paged cache; 0: over the contiguous one
};

// Of this build.
std::vector<Backend> Backends();

}  // namespace vattention::bench

#endif  // VATTENTION_BENCH_NATIVE_BACKENDS_H_
