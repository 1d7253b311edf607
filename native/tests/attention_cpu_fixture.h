// Caches, batches and passes for the tests of attention on the CPU.
#ifndef VATTENTION_NATIVE_TESTS_ATTENTION_CPU_FIXTURE_H_
#define VATTENTION_NATIVE_TESTS_ATTENTION_CPU_FIXTURE_H_

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "attention/cpu/cpu_backend.h"
#include "tests/attention_cpu_elements.h"
#include "tests/check.h"
#include "vattention/attention.h"

namespace vattention::testing {

// --- What is computed.

// How a cache lies in memory. Bits must not depend on it.
struct CacheLayout {
  int32_t kind = VATTN_CONTIGUOUS;
  bool interleaved = false;  // contiguous: [slot, token, layer, {K,V}, head, dim]
  int32_t block_tokens = 16;
  int32_t pool_layout = VATTN_POOL_NHD;
};

struct Setup {
  int32_t kv_heads = 2;
  int32_t query_heads = 4;
  int32_t head_dim = 64;
  int32_t value_head_dim = 64;
  int32_t dtype = VATTN_FLOAT32;
  int32_t cache_dtype = VATTN_FLOAT32;
  bool causal = true;
  int32_t window = 0;
  float soft_cap = 0;
  float scale = 0;
  std::vector<float> alibi;
  std::vector<float> sinks;
  int32_t threads = 2;
  int32_t layers = 2;
  CacheLayout layout;
};

// The contents of one sequence: every layer has the same, which tests do not mind.
struct Content {
  int32_t kv_length = 0;
  std::vector<float> query;  // [kv_length, query_heads, head_dim]: a query for every position
  std::vector<float> key;    // [kv_length, kv_heads, head_dim]
  std::vector<float> value;  // [kv_length, kv_heads, value_head_dim]
};

Content MakeContent(const Setup& setup, int32_t kv_length, uint64_t seed, float spread = 1.0f);

// --- A cache in plain memory, NaN wherever nobody has written.

class TestCache {
 public:
  TestCache(const Setup& setup, int32_t slots, int32_t max_length);

  vattn_cache_view View() const {
    vattn_cache_view view{};
    view.size = sizeof(view);
    view.kind = setup_.layout.kind;
    view.shape = Shape();
    view.pool_layout = setup_.layout.pool_layout;
    view.block_tokens = setup_.layout.kind == VATTN_PAGED ? setup_.layout.block_tokens : 0;
    view.max_blocks = static_cast<int32_t>(blocks_per_slot_);
    view.key = key_.data();
    view.value = value_.data();
    return view;
  }

  vattn_cache_shape Shape() const {
    return {sizeof(vattn_cache_shape), setup_.layers,      setup_.kv_heads, setup_.head_dim,
            setup_.value_head_dim,     setup_.cache_dtype, slots_,          max_length_};
  }

  // Address of one element of K (kv 0) or V (kv 1).
  char* Element(int kv, int32_t layer, int32_t slot, int64_t token, int64_t head, int64_t e) const {
    const vattn_tensor& tensor = (kv == 0 ? key_ : value_)[static_cast<size_t>(layer)];
    const int64_t* s = tensor.stride;
    int64_t at;
    if (setup_.layout.kind != VATTN_PAGED) {
      at = slot * s[0] + token * s[1] + head * s[2] + e;
    } else {
      const int64_t bt = setup_.layout.block_tokens;
      const int64_t block = table_[static_cast<size_t>(slot * blocks_per_slot_ + token / bt)];
      if (setup_.layout.pool_layout == VATTN_POOL_NHD) {
        at = block * s[0] + token % bt * s[1] + head * s[2] + e;
      } else if (kv == 0) {
        const int64_t x = tensor.shape[4];
        at = block * s[0] + head * s[1] + e / x * s[2] + token % bt * s[3] + e % x;
      } else {
        at = block * s[0] + head * s[1] + e * s[2] + token % bt;
      }
    }
    return static_cast<char*>(tensor.data) + at * static_cast<int64_t>(Bytes(tensor.dtype));
  }

  // Writes tokens [from, to) of a sequence into all layers, from the test's side.
  void Write(const Content& content, int32_t slot, int32_t from, int32_t to);

  std::vector<uint8_t>& memory() { return memory_; }
  const int32_t* table() const { return table_.data(); }
  int64_t table_stride() const { return blocks_per_slot_; }
  int64_t table_size() const { return static_cast<int64_t>(table_.size()); }
  vattn_tensor& key(int32_t layer) { return key_[static_cast<size_t>(layer)]; }

 private:
  static void Describe(vattn_tensor* tensor, std::vector<int64_t> shape,
                       std::vector<int64_t> stride) {
    tensor->rank = static_cast<int32_t>(shape.size());
    std::copy(shape.begin(), shape.end(), tensor->shape);
    std::copy(stride.begin(), stride.end(), tensor->stride);
  }

  // How many elements of a row of K (kv 0) or V (kv 1) lie side by side.
  int64_t RunElements(int kv, int64_t dim) const;

  Setup setup_;
  int32_t slots_;
  int32_t max_length_;
  int64_t blocks_per_slot_;
  std::vector<uint8_t> memory_;
  std::vector<vattn_tensor> key_;
  std::vector<vattn_tensor> value_;
  std::vector<int32_t> table_;
};

// --- A host tensor, dense or with gaps between tokens and heads.

struct HostTensor {
  std::vector<uint8_t> memory;
  vattn_tensor tensor{};

  HostTensor(int32_t dtype, int64_t tokens, int64_t heads, int64_t dim, int64_t gap = 0) {
    const int64_t bytes = static_cast<int64_t>(Bytes(dtype));
    const int64_t head_stride = dim + gap;
    const int64_t token_stride = heads * head_stride + 3 * gap;
    memory.assign(static_cast<size_t>(tokens * token_stride * bytes + 64), 0xFF);
    tensor.data = memory.data();
    tensor.dtype = dtype;
    tensor.device_type = VATTN_DEVICE_CPU;
    tensor.rank = 3;
    const int64_t shape[3] = {tokens, heads, dim};
    const int64_t stride[3] = {token_stride, head_stride, 1};
    std::copy(shape, shape + 3, tensor.shape);
    std::copy(stride, stride + 3, tensor.stride);
  }
  char* At(int64_t token, int64_t head, int64_t e) const {
    return static_cast<char*>(tensor.data) +
           (token * tensor.stride[0] + head * tensor.stride[1] + e) *
               static_cast<int64_t>(Bytes(tensor.dtype));
  }
  // As [tokens, heads].
  vattn_tensor Matrix() const {
    vattn_tensor matrix = tensor;
    matrix.rank = 2;
    matrix.shape[2] = 0;
    matrix.stride[1] = 1;
    return matrix;
  }
};

// --- Plans.

struct Error : vattn_error {
  Error() : vattn_error{} { size = sizeof(vattn_error); }
};

inline vattn_config MakeConfig(const Setup& setup, const vattn_cache_shape& shape) {
  vattn_config config{};
  config.size = sizeof(config);
  config.cache_kind = setup.layout.kind;
  config.shape = shape;
  config.pool_layout = setup.layout.pool_layout;
  config.block_tokens = setup.layout.block_tokens;
  config.query_heads = setup.query_heads;
  config.dtype = setup.dtype;
  config.scale = setup.scale;
  config.causal = setup.causal ? 1 : 0;
  config.window = setup.window;
  config.soft_cap = setup.soft_cap;
  config.alibi_slopes = setup.alibi.empty() ? nullptr : setup.alibi.data();
  config.sinks = setup.sinks.empty() ? nullptr : setup.sinks.data();
  config.needs_lse = 1;
  return config;
}

inline vattn_limits MakeLimits(const Setup& setup, int32_t sequences, int32_t tokens,
                               int64_t length) {
  vattn_limits limits{};
  limits.size = sizeof(limits);
  limits.max_sequences = sequences;
  limits.max_tokens = tokens;
  limits.max_length = length;
  limits.threads = setup.threads;
  return limits;
}

struct PlanDeleter {
  void operator()(vattn_plan* plan) const { vattn_cpu_backend()->plan_destroy(plan); }
};
using PlanPtr = std::unique_ptr<vattn_plan, PlanDeleter>;

inline PlanPtr MakePlan(const Setup& setup, const TestCache& cache, int32_t sequences,
                        int32_t tokens, int64_t length) {
  const vattn_config config = MakeConfig(setup, cache.Shape());
  const vattn_limits limits = MakeLimits(setup, sequences, tokens, length);
  vattn_plan* plan = nullptr;
  Error error;
  const vattn_status status = vattn_cpu_backend()->plan_create(&config, &limits, &plan, &error);
  if (status != VATTN_OK) Fail(__FILE__, __LINE__, error.message);
  return PlanPtr(plan);
}

// One sequence's part in a pass: tokens [kv - query, kv) of `content` are new.
struct Part {
  const Content* content;
  int32_t slot;
  uint32_t query;
  uint32_t kv;
  uint32_t first_kept = 0;
};

struct Result {
  std::vector<float> output;  // [tokens, query heads, value head dim]
  std::vector<float> lse;     // [tokens, query heads]

  bool SameBits(const Result& other, size_t mine, size_t its, size_t rows, size_t row_floats,
                size_t lse_floats) const {
    return std::memcmp(&output[mine * row_floats], &other.output[its * row_floats],
                       rows * row_floats * 4) == 0 &&
           std::memcmp(&lse[mine * lse_floats], &other.lse[its * lse_floats],
                       rows * lse_floats * 4) == 0;
  }
};

vattn_status Prepare(vattn_plan* plan, const Setup& setup, const TestCache& cache,
                     const std::vector<Part>& parts, vattn_error* error);

// Prepares and runs one layer; new rows are appended by the plan.
Result RunPass(vattn_plan* plan, const Setup& setup, const TestCache& cache,
               const std::vector<Part>& parts, int32_t layer = 0, int64_t gap = 0,
               bool append = true);

}  // namespace vattention::testing

#endif  // VATTENTION_NATIVE_TESTS_ATTENTION_CPU_FIXTURE_H_
