// A paged cache for tests, and its rows by address: what a kernel would read and write.
#ifndef VATTENTION_NATIVE_TESTS_PAGED_FIXTURE_H_
#define VATTENTION_NATIVE_TESTS_PAGED_FIXTURE_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/check.h"
#include "tests/pool_window.h"
#include "vattention/paged_cache.h"

namespace vattention::testing {

// 2 layers of 2 heads with 4 + 2 float32: 96 bytes a token, blocks of 8 tokens, 24 blocks.
struct PagedShape {
  int32_t layers = 2;
  int32_t kv_heads = 2;
  int32_t head_dim = 4;
  int32_t value_head_dim = 2;
  int32_t max_sequences = 8;
  int64_t max_length = 96;
  int32_t block_tokens = 8;
  int32_t blocks = 24;
  int32_t pool_layout = VATTN_POOL_NHD;
  int32_t prefix_cache = 1;
  int32_t hash_bits = 0;
  int32_t trace_events = 0;

  uint64_t bytes_per_token() const {
    return static_cast<uint64_t>(layers) * static_cast<uint64_t>(kv_heads) *
           static_cast<uint64_t>(head_dim + value_head_dim) * sizeof(float);
  }
  uint64_t block_bytes() const { return bytes_per_token() * static_cast<uint64_t>(block_tokens); }

  vattn_paged_options options() const {
    vattn_paged_options options = {};
    options.size = sizeof(options);
    options.shape = {.size = sizeof(vattn_cache_shape),
                     .layers = layers,
                     .kv_heads = kv_heads,
                     .head_dim = head_dim,
                     .value_head_dim = value_head_dim,
                     .dtype = VATTN_FLOAT32,
                     .max_sequences = max_sequences,
                     .max_length = max_length};
    options.device_type = TestDeviceType();
    options.limit_bytes = block_bytes() * static_cast<uint64_t>(blocks);
    options.block_tokens = block_tokens;
    options.pool_layout = pool_layout;
    options.prefix_cache = prefix_cache;
    options.hash_bits = hash_bits;
    options.trace_events = trace_events;
    return options;
  }
};

// Owns one reference. Calls check for success unless their name says otherwise.
class PagedFixture {
 public:
  explicit PagedFixture(const PagedShape& wanted = {}, const vattn_fault_plan* faults = nullptr)
      : shape(wanted) {
    error.size = sizeof(error);
    vattn_paged_options options = shape.options();
    options.faults = faults;
    ref.size = sizeof(ref);
    Must(vattn_paged_create(&options, &ref, &error), "create");
    vattn_cache_view out = {};
    out.size = sizeof(out);
    Must(api()->view(cache(), &out, &error), "view");
    view = out;
    window_.Open(view);
  }
  ~PagedFixture() {
    if (ref.cache != nullptr) api()->release(cache());
  }
  PagedFixture(const PagedFixture&) = delete;
  PagedFixture& operator=(const PagedFixture&) = delete;

  const vattn_cache_api* api() const { return ref.api; }
  vattn_cache* cache() const { return ref.cache; }

  void Must(vattn_status status, const char* what) const {
    if (status != VATTN_OK) throw CheckFailure{std::string(what) + ": " + error.message};
  }

  vattn_sequence Allocate() {
    vattn_sequence sequence = 0;
    Must(api()->allocate(cache(), &sequence, &error), "allocate");
    return sequence;
  }
  // The new sequence and its shared length.
  std::pair<vattn_sequence, uint32_t> AllocatePrefix(const std::vector<uint32_t>& tokens,
                                                     const std::string& salt = "") {
    vattn_sequence sequence = 0;
    uint32_t shared = 0;
    Must(vattn_paged_allocate_prefix(cache(), tokens.data(), static_cast<uint32_t>(tokens.size()),
                                     salt.data(), salt.size(), &sequence, &shared, &error),
         "allocate with a prefix");
    return {sequence, shared};
  }
  vattn_sequence Fork(vattn_sequence source, uint32_t length) {
    vattn_sequence sequence = 0;
    Must(api()->fork(cache(), source, length, &sequence, &error), "fork");
    return sequence;
  }
  vattn_status TryStep(const std::vector<vattn_sequence>& sequences,
                       const std::vector<uint32_t>& lengths) {
    step = {};
    step.size = sizeof(step);
    const vattn_status status = api()->step(cache(), sequences.data(), lengths.data(),
                                            static_cast<int32_t>(sequences.size()), &step, &error);
    window_.Forget();
    return status;
  }
  void Step(vattn_sequence sequence, uint32_t length) {
    Must(TryStep({sequence}, {length}), "step");
    if (step.outcome != VATTN_STEP_OK) throw CheckFailure{"step: out of memory"};
  }
  // A sequence of `length` backed tokens.
  vattn_sequence Grown(uint32_t length) {
    const vattn_sequence sequence = Allocate();
    Step(sequence, length);
    return sequence;
  }
  void Publish(vattn_sequence sequence, const std::vector<uint32_t>& tokens,
               const std::string& salt = "") {
    Must(vattn_paged_publish(cache(), sequence, tokens.data(), static_cast<uint32_t>(tokens.size()),
                             salt.data(), salt.size(), &error),
         "publish");
  }
  void Truncate(vattn_sequence sequence, uint32_t length, vattn_fence* after = nullptr) {
    Must(api()->truncate(cache(), sequence, length, after, &error), "truncate");
  }
  void Slide(vattn_sequence sequence, uint32_t first, vattn_fence* after = nullptr) {
    Must(api()->slide(cache(), sequence, first, after, &error), "slide");
  }
  void Free(vattn_sequence sequence, vattn_fence* after = nullptr) {
    Must(api()->free(cache(), sequence, after, &error), "free");
  }
  vattn_cache_stats Stats() {
    vattn_cache_stats stats = {};
    stats.size = sizeof(stats);
    Must(api()->stats(cache(), &stats, &error), "stats");
    return stats;
  }
  void Check() { Must(vattn_paged_check(cache(), &error), "check"); }
  uint32_t BackedLength(vattn_sequence sequence) { return Resolve(sequence).first; }
  std::vector<int32_t> Table(vattn_sequence sequence) { return Resolve(sequence).second; }
  int32_t BlockOf(vattn_sequence sequence, size_t index) { return Table(sequence).at(index); }

  // Blocks in a state, from bytes.
  int64_t Blocks(uint64_t bytes) const { return static_cast<int64_t>(bytes / shape.block_bytes()); }

  // Every element of K and V of one token, all layers, as addresses.
  std::vector<float*> Row(int32_t block, int32_t token) const {
    std::vector<float*> row;
    for (int32_t layer = 0; layer < shape.layers; ++layer) {
      AddRow(view.key[layer], shape.head_dim, block, token, &row);
      AddRow(view.value[layer], shape.value_head_dim, block, token, &row);
    }
    return row;
  }
  // Writes `value` (and what makes each element of the row different) into a row.
  void WriteRow(const std::vector<float*>& row, float value) {
    std::vector<float> values(row.size());
    for (float& element : values) element = value++;
    window_.Store(row, values);
  }
  void FillRow(const std::vector<float*>& row, float value) {
    window_.Store(row, std::vector<float>(row.size(), value));
  }
  // What WriteRow wrote, 0 for a zeroed row; fails for anything else.
  float ReadRow(const std::vector<float*>& row) {
    const std::vector<float> values = window_.Load(row);
    float element = values[0];
    for (const float value : values) {
      if (value != element) throw CheckFailure{"a row of mixed contents"};
      if (values[0] != 0) ++element;
    }
    return values[0];
  }
  void WriteToken(vattn_sequence sequence, uint32_t token, float value) {
    WriteRow(RowOf(sequence, token), value);
  }
  float ReadToken(vattn_sequence sequence, uint32_t token) {
    return ReadRow(RowOf(sequence, token));
  }

  PagedShape shape;
  vattn_cache_ref ref = {};
  vattn_cache_view view = {};
  vattn_step_result step = {};
  vattn_error error = {};

 private:
  std::pair<uint32_t, std::vector<int32_t>> Resolve(vattn_sequence sequence) {
    std::vector<int32_t> table(static_cast<size_t>(view.max_blocks));
    uint32_t backed = 0;
    vattn_rows rows = {};
    rows.size = sizeof(rows);
    rows.backed_length = &backed;
    rows.block_table = table.data();
    rows.block_table_stride = view.max_blocks;
    Must(api()->resolve(cache(), &sequence, 1, &rows, &error), "resolve");
    table.resize(static_cast<size_t>(rows.widest));
    return {backed, table};
  }
  std::vector<float*> RowOf(vattn_sequence sequence, uint32_t token) {
    const auto tokens = static_cast<uint32_t>(shape.block_tokens);
    const int32_t block = Table(sequence)[token / tokens];
    if (block < 0) throw CheckFailure{"a token of a block that was given up"};
    return Row(block, static_cast<int32_t>(token % tokens));
  }
  void AddRow(const vattn_tensor& tensor, int32_t dim, int32_t block, int32_t token,
              std::vector<float*>* row) const {
    auto* base = static_cast<float*>(tensor.data) + block * tensor.stride[0];
    for (int32_t head = 0; head < shape.kv_heads; ++head) {
      for (int32_t d = 0; d < dim; ++d) {
        int64_t offset;
        if (tensor.rank == 4 && shape.pool_layout == VATTN_POOL_NHD) {
          offset = token * tensor.stride[1] + head * tensor.stride[2] + d * tensor.stride[3];
        } else if (tensor.rank == 5) {  // [block, head, d / x, token, x]
          const auto x = static_cast<int32_t>(tensor.shape[4]);
          offset = head * tensor.stride[1] + d / x * tensor.stride[2] + token * tensor.stride[3] +
                   d % x * tensor.stride[4];
        } else {  // [block, head, d, token]
          offset = head * tensor.stride[1] + d * tensor.stride[2] + token * tensor.stride[3];
        }
        row->push_back(base + offset);
      }
    }
  }

  PoolWindow window_;
};

// A stream of the CPU whose work the test begins and ends.
struct Timeline {
  vattn_timeline counters = {sizeof(vattn_timeline), 0, 0, 0};
  vattn_stream stream() { return {VATTN_DEVICE_CPU, 0, reinterpret_cast<uintptr_t>(&counters)}; }
  void Submit() { __atomic_add_fetch(&counters.submitted, uint64_t{1}, __ATOMIC_ACQ_REL); }
  void Complete() {
    const uint64_t submitted = __atomic_load_n(&counters.submitted, __ATOMIC_ACQUIRE);
    __atomic_store_n(&counters.completed, submitted, __ATOMIC_RELEASE);
  }
  bool idle() const {
    return __atomic_load_n(&counters.submitted, __ATOMIC_ACQUIRE) ==
           __atomic_load_n(&counters.completed, __ATOMIC_ACQUIRE);
  }
};

// Tokens first, first + 1, ...
inline std::vector<uint32_t> Tokens(uint32_t count, uint32_t first = 100) {
  std::vector<uint32_t> tokens(count);
  for (uint32_t i = 0; i < count; ++i) tokens[i] = first + i;
  return tokens;
}

}  // namespace vattention::testing

#endif  // VATTENTION_NATIVE_TESTS_PAGED_FIXTURE_H_
