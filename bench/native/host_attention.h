// Attention of the CPU's backend through its C table, over a cache in the host's memory: what an
// engine in C++ would call.
#ifndef VATTENTION_BENCH_NATIVE_HOST_ATTENTION_H_
#define VATTENTION_BENCH_NATIVE_HOST_ATTENTION_H_

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "vattention/attention.h"

namespace vattention::bench {

struct HostShape {
  int32_t layers = 30;
  int32_t query_heads = 9;
  int32_t kv_heads = 3;
  int32_t head_dim = 64;
  int32_t dtype = VATTN_BFLOAT16;
};

// Random rows [rows, heads, dim] of numbers from 1 to 2 of either sign.
class HostRows {
 public:
  HostRows(const HostShape& shape, int64_t rows, int32_t heads, std::mt19937_64* random);

  // The first `rows` of them, to be read or written.
  vattn_tensor Tensor(int64_t rows);
  double At(int64_t row, int32_t head, int32_t element) const;

 private:
  const int32_t dtype_, heads_, dim_;
  std::vector<uint8_t> bytes_;
};

// A cache of so many sequences, each with `length` tokens that are backed.
class HostCache {
 public:
  // `name`: split, interleaved, or paged-N with blocks of N tokens. Throws Failure for another.
  HostCache(const HostShape& shape, const std::string& name, int32_t sequences, int32_t length,
            int32_t max_length);
  ~HostCache();
  HostCache(const HostCache&) = delete;
  HostCache& operator=(const HostCache&) = delete;

  const vattn_cache_view& view() const { return view_; }
  int32_t sequences() const { return static_cast<int32_t>(handles_.size()); }
  // Asks the cache where the sequences are, as every pass does, and makes a batch in which each has
  // `query` new tokens. It points into this object.
  vattn_batch Resolve(uint32_t query);

 private:
  vattn_cache_ref ref_{sizeof(vattn_cache_ref), nullptr, nullptr};
  vattn_cache_view view_{};
  std::vector<vattn_sequence> handles_;
  std::vector<uint32_t> slot_, backed_, first_kept_, query_, kv_;
  std::vector<int32_t> table_;  // paged
};

// A plan over a cache.
class HostPlan {
 public:
  // `max_query`: new tokens of each sequence at most. `cache` outlives the plan.
  HostPlan(const HostShape& shape, HostCache* cache, int32_t max_query, bool needs_lse);

  void Prepare(uint32_t query);
  // `lse` may be nullptr.
  void Run(int32_t layer, const vattn_tensor& query, const vattn_tensor& key,
           const vattn_tensor& value, const vattn_tensor& output, const vattn_tensor* lse);

 private:
  struct Destroy {
    void operator()(vattn_plan* plan) const;
  };

  HostCache* const cache_;
  std::unique_ptr<vattn_plan, Destroy> plan_;
};

}  // namespace vattention::bench

#endif  // VATTENTION_BENCH_NATIVE_HOST_ATTENTION_H_
