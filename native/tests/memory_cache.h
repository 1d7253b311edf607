// A contiguous cache as the native tests use it: every call checked, typed results as values.
#ifndef VATTENTION_NATIVE_TESTS_MEMORY_CACHE_H_
#define VATTENTION_NATIVE_TESTS_MEMORY_CACHE_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "tests/check.h"
#include "tests/device_memory.h"
#include "vattention/contiguous_cache.h"

namespace vattention::testing {

inline constexpr uint64_t kKiB = 1024;
inline constexpr uint64_t kMiB = 1024 * kKiB;

struct OptionsInit {
  int32_t layers = 2;
  int32_t kv_heads = 2;
  int32_t head_dim = 64;
  int32_t value_head_dim = 64;
  int32_t dtype = VATTN_FLOAT16;
  int32_t max_sequences = 8;
  int64_t max_length = 4096;
  uint64_t limit_bytes = 64 * kMiB;
  int32_t layout = VATTN_LAYOUT_INTERLEAVED;
};

// Options of a small cache without a mapper: what happens then depends on nothing but the calls.
inline vattn_contiguous_options MakeOptions(const OptionsInit& init = {}) {
  vattn_contiguous_options options;
  std::memset(&options, 0, sizeof(options));
  options.size = sizeof(options);
  options.shape = {sizeof(vattn_cache_shape), init.layers, init.kv_heads,      init.head_dim,
                   init.value_head_dim,       init.dtype,  init.max_sequences, init.max_length};
  options.device_type = TestDeviceType();
  options.limit_bytes = init.limit_bytes;
  options.layout = init.layout;
  options.layer_group = 1;
  return options;
}

inline vattn_fault_plan NoFaults() {
  vattn_fault_plan plan;
  std::memset(&plan, 0, sizeof(plan));
  plan.size = sizeof(plan);
  return plan;
}

// Owns one reference. Calls without `Try` must succeed.
class Cache {
 public:
  explicit Cache(const vattn_contiguous_options& options) {
    ref_.size = sizeof(ref_);
    Must(vattn_contiguous_create(&options, &ref_, Error()), "create");
    Must(ref_.api->view(ref_.cache, Sized(&view_), Error()), "view");
    if (options.device_type == VATTN_DEVICE_CUDA) stream_ = std::make_unique<CudaStream>();
  }
  ~Cache() {
    if (ref_.cache != nullptr) ref_.api->release(ref_.cache);
  }
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  vattn_cache* get() const { return ref_.cache; }
  const vattn_cache_api& api() const { return *ref_.api; }
  const vattn_cache_view& view() const { return view_; }
  const vattn_error& error() const { return error_; }
  vattn_error* Error() {
    error_.size = sizeof(error_);
    return &error_;
  }

  vattn_sequence Allocate() {
    vattn_sequence sequence = 0;
    Must(api().allocate(get(), &sequence, Error()), "allocate");
    return sequence;
  }
  vattn_sequence Fork(vattn_sequence source, uint32_t length) {
    vattn_sequence sequence = 0;
    Must(api().fork(get(), source, length, &sequence, Error()), "fork");
    return sequence;
  }
  vattn_status TryStep(const std::vector<vattn_sequence>& sequences,
                       const std::vector<uint32_t>& lengths, vattn_step_result* result) {
    Sized(result);
    return api().step(get(), sequences.data(), lengths.data(),
                      static_cast<int32_t>(sequences.size()), result, Error());
  }
  vattn_step_result Step(const std::vector<vattn_sequence>& sequences,
                         const std::vector<uint32_t>& lengths) {
    vattn_step_result result;
    Must(TryStep(sequences, lengths, &result), "step");
    return result;
  }
  // Must have room.
  vattn_step_result Grow(vattn_sequence sequence, uint32_t length) {
    const vattn_step_result result = Step({sequence}, {length});
    CHECK_EQ(result.outcome, static_cast<int32_t>(VATTN_STEP_OK));
    return result;
  }
  void Truncate(vattn_sequence sequence, uint32_t length, vattn_fence* after = nullptr) {
    Must(api().truncate(get(), sequence, length, after, Error()), "truncate");
  }
  void Slide(vattn_sequence sequence, uint32_t first, vattn_fence* after = nullptr) {
    Must(api().slide(get(), sequence, first, after, Error()), "slide");
  }
  void Free(vattn_sequence sequence, vattn_fence* after = nullptr) {
    Must(api().free(get(), sequence, after, Error()), "free");
  }
  vattn_span Span(vattn_sequence sequence, uint32_t from, uint32_t to) {
    vattn_span span = 0;
    Must(vattn_span_create(get(), sequence, from, to, &span, Error()), "span");
    return span;
  }
  uint64_t ReleaseSpan(vattn_span span) {
    uint64_t freed = 0;
    Must(vattn_span_release(get(), span, &freed, Error()), "release span");
    return freed;
  }
  vattn_sequence Shared(const std::vector<vattn_span>& spans, uint32_t length) {
    vattn_sequence sequence = 0;
    Must(vattn_allocate_shared(get(), spans.data(), static_cast<int32_t>(spans.size()), length,
                               &sequence, Error()),
         "allocate shared");
    return sequence;
  }
  void SetLimit(uint64_t bytes) { Must(api().set_limit(get(), bytes, Error()), "set limit"); }
  uint64_t Trim(uint64_t keep) {
    uint64_t released = 0;
    Must(vattn_trim(get(), keep, &released, Error()), "trim");
    return released;
  }
  void Attach(vattn_timeline* timeline) {
    Must(api().attach_stream(get(), StreamOf(timeline), Error()), "attach");
  }
  void Detach(vattn_timeline* timeline) {
    Must(api().detach_stream(get(), StreamOf(timeline), Error()), "detach");
  }
  vattn_fence* RecordFence(vattn_timeline* timeline) {
    vattn_fence* fence = nullptr;
    Must(api().record_fence(get(), StreamOf(timeline), &fence, Error()), "record fence");
    return fence;
  }
  void Pause() { Must(vattn_mapper_pause(get(), Error()), "pause"); }
  void Resume() { Must(vattn_mapper_resume(get(), Error()), "resume"); }
  void Drain() { Must(vattn_mapper_drain(get(), Error()), "drain"); }
  void Arm(vattn_fault_plan plan) {
    plan.size = sizeof(plan);
    Must(vattn_faults_set(get(), &plan, nullptr, Error()), "arm faults");
  }
  uint64_t DriverCalls() {
    uint64_t calls = 0;
    Must(vattn_faults_set(get(), nullptr, &calls, Error()), "count driver calls");
    return calls;
  }
  void Close() { Must(vattn_contiguous_close(get(), Error()), "close"); }
  // The whole-structure check, and what statistics promise. `mappings_over`: how far failed steps
  // may have left the cache over its budget of mappings.
  void Check(uint64_t mappings_over = 0) {
    Must(vattn_contiguous_check(get(), Error()), "check");
    const vattn_cache_stats s = Stats();
    CHECK_EQ(s.mapped_bytes + s.retained_bytes + s.parked_bytes + s.condemned_bytes + s.free_bytes,
             s.total_bytes);
    CHECK_EQ(s.needed_bytes + s.ahead_bytes + s.surplus_bytes, s.mapped_bytes);
    CHECK_LE(s.used_bytes, s.needed_bytes);
    CHECK_LE(s.live_mappings, s.mapping_budget + mappings_over);
  }
  vattn_cache_stats Stats() {
    vattn_cache_stats stats;
    Must(api().stats(get(), Sized(&stats), Error()), "stats");
    return stats;
  }
  uint32_t Slot(vattn_sequence sequence) { return Row(sequence).slot; }
  uint32_t Backed(vattn_sequence sequence) { return Row(sequence).backed; }
  uint32_t FirstKept(vattn_sequence sequence) { return Row(sequence).first_kept; }

  // Address of one token's K (or V) of one layer.
  uint8_t* Token(vattn_sequence sequence, uint32_t token, int32_t layer, bool value) {
    return TokenAt(Slot(sequence), token, layer, value);
  }
  uint8_t* TokenAt(uint32_t slot, uint32_t token, int32_t layer, bool value) const {
    const vattn_tensor& tensor = (value ? view_.value : view_.key)[layer];
    return static_cast<uint8_t*>(tensor.data) +
           (int64_t{slot} * tensor.stride[0] + int64_t{token} * tensor.stride[1]) * ElementBytes();
  }
  // Bytes of one token's K or V of one layer; heads lie one after the other.
  size_t TokenBytes(bool value) const {
    const int32_t dim = value ? view_.shape.value_head_dim : view_.shape.head_dim;
    return static_cast<size_t>(view_.shape.kv_heads * dim * ElementBytes());
  }
  int32_t ElementBytes() const {
    switch (view_.shape.dtype) {
      case VATTN_FLOAT32:
        return 4;
      case VATTN_FLOAT8_E4M3:
        return 1;
      default:
        return 2;
    }
  }
  // Bytes from a token's K (or V) of a layer to the next token's.
  size_t TokenPitch(int32_t layer, bool value) const {
    const vattn_tensor& tensor = (value ? view_.value : view_.key)[layer];
    return static_cast<size_t>(tensor.stride[1] * ElementBytes());
  }
  // Rows of the cache's memory, `pitch` apart there and one after the other at the other side,
  // behind what the cache itself has been asked to do.
  void Put(uint8_t* at, size_t pitch, const uint8_t* from, size_t bytes, size_t rows) {
    if (rows == 0) return;
    if (stream_ == nullptr) {
      for (size_t row = 0; row < rows; ++row) {
        std::memcpy(at + row * pitch, from + row * bytes, bytes);
      }
      return;
    }
    WaitReady();
    stream_->WriteRows(at, pitch, from, bytes, rows);
  }
  void Get(const uint8_t* at, size_t pitch, uint8_t* to, size_t bytes, size_t rows) {
    if (rows == 0) return;
    if (stream_ == nullptr) {
      for (size_t row = 0; row < rows; ++row) {
        std::memcpy(to + row * bytes, at + row * pitch, bytes);
      }
      return;
    }
    WaitReady();
    stream_->ReadRows(to, at, pitch, bytes, rows);
  }
  // Writes tokens [from, to): every byte of K and V of every layer becomes `cookie`.
  void Write(vattn_sequence sequence, uint32_t from, uint32_t to, uint8_t cookie) {
    const uint32_t slot = Slot(sequence);
    for (int32_t layer = 0; layer < view_.shape.layers; ++layer) {
      for (const bool value : {false, true}) {
        const std::vector<uint8_t> rows((to - from) * TokenBytes(value), cookie);
        Put(TokenAt(slot, from, layer, value), TokenPitch(layer, value), rows.data(),
            TokenBytes(value), to - from);
      }
    }
  }
  // Whether every byte of tokens [from, to) is `cookie`.
  bool Holds(vattn_sequence sequence, uint32_t from, uint32_t to, uint8_t cookie) {
    const uint32_t slot = Slot(sequence);
    for (int32_t layer = 0; layer < view_.shape.layers; ++layer) {
      for (const bool value : {false, true}) {
        std::vector<uint8_t> rows((to - from) * TokenBytes(value));
        Get(TokenAt(slot, from, layer, value), TokenPitch(layer, value), rows.data(),
            TokenBytes(value), to - from);
        if (!std::all_of(rows.begin(), rows.end(), [&](uint8_t b) { return b == cookie; })) {
          return false;
        }
      }
    }
    return true;
  }

  // A failed call must say so in the error record too.
  void Must(vattn_status status, const char* what) {
    if (status == VATTN_OK) return;
    throw CheckFailure{std::string(what) + ": status " + std::to_string(status) + ": " +
                       error_.message};
  }

  static vattn_stream StreamOf(vattn_timeline* timeline) {
    return {VATTN_DEVICE_CPU, 0, static_cast<uint64_t>(reinterpret_cast<uintptr_t>(timeline))};
  }

 private:
  struct RowOf {
    uint32_t slot = 0;
    uint32_t backed = 0;
    uint32_t first_kept = 0;
  };
  RowOf Row(vattn_sequence sequence) {
    RowOf row;
    vattn_rows rows;
    std::memset(&rows, 0, sizeof(rows));
    rows.size = sizeof(rows);
    rows.slot = &row.slot;
    rows.backed_length = &row.backed;
    rows.first_kept = &row.first_kept;
    Must(api().resolve(get(), &sequence, 1, &rows, Error()), "resolve");
    return row;
  }
  // A failure that a test injected may hit this call too.
  void WaitReady() {
    vattn_status status = VATTN_DEVICE_ERROR;
    for (int tries = 0; tries < 10 && status == VATTN_DEVICE_ERROR; ++tries) {
      status = api().wait_ready(get(), stream_->get(), Error());
    }
    Must(status, "wait for the cache");
  }
  template <typename T>
  static T* Sized(T* value) {
    std::memset(value, 0, sizeof(*value));
    value->size = sizeof(*value);
    return value;
  }

  std::unique_ptr<CudaStream> stream_;  // on a GPU
  vattn_cache_ref ref_{};
  vattn_cache_view view_{};
  vattn_error error_{};
};

// A stream of the CPU whose progress the test decides.
struct Timeline {
  vattn_timeline counters{sizeof(vattn_timeline), 0, 0, 0};
  vattn_timeline* get() { return &counters; }
  void Submit() { __atomic_fetch_add(&counters.submitted, 1, __ATOMIC_RELEASE); }
  void Complete() {
    const uint64_t submitted = __atomic_load_n(&counters.submitted, __ATOMIC_ACQUIRE);
    __atomic_store_n(&counters.completed, submitted, __ATOMIC_RELEASE);
  }
};

}  // namespace vattention::testing

#endif  // VATTENTION_NATIVE_TESTS_MEMORY_CACHE_H_
