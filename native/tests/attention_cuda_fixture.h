// Caches, batches and passes on a GPU for the tests of attention backends: through the C ABI only,
// as an engine without JavaScript would. Each backend's test says what it can do (TestedBackend),
// and is linked with the cases for all of them (attention_cuda_cases.cc).
#ifndef VATTENTION_NATIVE_TESTS_ATTENTION_CUDA_FIXTURE_H_
#define VATTENTION_NATIVE_TESTS_ATTENTION_CUDA_FIXTURE_H_

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/check.h"
#include "vattention/attention.h"
#include "vattention/contiguous_cache.h"
#include "vattention/paged_cache.h"

namespace vattention::testing {

// --- What is tested.

// How a cache lies in memory.
struct CacheForm {
  int32_t kind = VATTN_CONTIGUOUS;
  int32_t layout = VATTN_LAYOUT_INTERLEAVED;  // contiguous
  int32_t tail_rows = 0;                      // contiguous
  int32_t block_tokens = 0;                   // paged
  int32_t pool_layout = VATTN_POOL_NHD;       // paged
  int32_t layer_group = 1;                    // contiguous, in groups of layers
};
std::string Name(const CacheForm& form);

struct TestedBackend {
  const vattn_backend* table;
  std::vector<CacheForm> forms;
  std::vector<int32_t> head_dims;
  std::vector<int32_t> dtypes;
  bool window;
  bool soft_cap;
  bool alibi;
  bool non_causal;
  bool batch_invariant;
  // To the dtype, of numbers on their way into an output: two where weights are rounded, and sums
  // of products kept in float32 until the end.
  int32_t roundings = 2;
  // Probabilities are summed after they were rounded to the dtype.
  bool sums_rounded = false;
};
// Defined by each backend's test.
const TestedBackend& Tested();

// Empty on a machine with a GPU; else why there is none. Cases return when there is none, and the
// test's main says so.
const std::string& WhyNoGpu();
// "skipped: ..." when there is none, then the tests that need none.
int RunGpuTests(int argc, char** argv);

// --- What is computed.

struct Scenario {
  CacheForm form;
  int32_t dtype = VATTN_BFLOAT16;
  int32_t query_heads = 8;
  int32_t kv_heads = 2;
  int32_t head_dim = 128;
  bool causal = true;
  int32_t window = 0;
  float soft_cap = 0;
  std::vector<float> alibi;
  bool batch_invariant = false;
  bool needs_lse = true;
  int32_t layers = 2;
  int32_t max_sequences = 16;
  int32_t max_tokens = 2048;
  int64_t max_length = 2048;
  int32_t graph_sequences = 0;
  int64_t graph_max_length = 0;
};
std::vector<float> Slopes(int32_t heads);

enum class Operand { kQuery, kKey, kValue };

// Tokens [from, to) of a sequence in one layer, [token, head, dim] as 16-bit elements: numbers that
// follow from the arguments, between -1.75 and 1.75.
std::vector<uint16_t> Tokens(const Scenario& scenario, uint64_t seed, int32_t layer,
                             Operand operand, int64_t from, int64_t to);

// One sequence's part in a pass: tokens [kv - query, kv) are new.
struct Part {
  size_t sequence;  // of the scene
  uint32_t query;
  uint32_t kv;
};

struct Result {
  std::vector<float> output;  // [rows, query heads, head dim]
  std::vector<float> lse;     // [rows, query heads]
};

// --- On the GPU. Calls without `Try` must succeed.

void Gpu(cudaError_t code, const char* call);

class GpuArray {
 public:
  explicit GpuArray(size_t bytes);
  ~GpuArray();
  GpuArray(const GpuArray&) = delete;
  GpuArray& operator=(const GpuArray&) = delete;
  char* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  char* data_ = nullptr;
  size_t bytes_;
};

class GpuStream {
 public:
  GpuStream();
  ~GpuStream();
  GpuStream(const GpuStream&) = delete;
  GpuStream& operator=(const GpuStream&) = delete;
  cudaStream_t handle() const { return handle_; }
  vattn_stream get() const {
    return {VATTN_DEVICE_CUDA, 0, static_cast<uint64_t>(reinterpret_cast<uintptr_t>(handle_))};
  }
  void Synchronize() const;

 private:
  cudaStream_t handle_ = nullptr;
};

// Rows of [heads, dim], dense or with gaps between heads and rows, NaN wherever nobody has written.
class GpuRows {
 public:
  // A gap of elements behind each head. [rows, heads] of float32 when dim is 0.
  GpuRows(int32_t dtype, int64_t rows, int64_t heads, int64_t dim, int64_t gap);
  vattn_tensor& tensor() { return tensor_; }
  void Write(const std::vector<uint16_t>& values, int64_t first_row, cudaStream_t stream);
  // As float32, dense; checks that gaps are untouched.
  std::vector<float> Read(cudaStream_t stream) const;
  void Forget(cudaStream_t stream);  // NaN again

 private:
  GpuArray memory_;
  vattn_tensor tensor_{};
  int64_t row_elements_;
};

struct Error : vattn_error {
  Error() : vattn_error{} { size = sizeof(vattn_error); }
};

// A cache, a plan over it and a stream that both know.
class Scene {
 public:
  explicit Scene(const Scenario& scenario);
  ~Scene();
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;

  // A sequence with `context` tokens, backed for `backed` of them or as many: rows behind the
  // context are NaN.
  size_t Add(uint32_t context, uint32_t backed = 0);
  // A sequence that shows the same tokens as another would.
  size_t AddTwin(size_t other, uint32_t context);
  void Free(size_t sequence);
  void Truncate(size_t sequence, uint32_t length);
  void Slide(size_t sequence, uint32_t first_token);
  // NaN in all rows of [from, to), in all layers.
  void Poison(size_t sequence, uint32_t from, uint32_t to);
  // Tokens [from, to) of one sequence become tokens of another, from `at` on.
  void CopyTokens(size_t source, uint32_t from, uint32_t to, size_t sequence, uint32_t at);

  struct Ways {
    int64_t gap = 0;
    bool append = true;  // else the rows are written to the cache beforehand
    bool lse = true;
  };
  // Steps, prepares, runs all layers; returns what they gave, checked against float64 arithmetic.
  // Appended rows are read back and compared bit for bit.
  std::vector<Result> Pass(const std::vector<Part>& parts, const Ways& ways);
  std::vector<Result> Pass(const std::vector<Part>& parts) { return Pass(parts, Ways{}); }

  // The pieces of Pass.
  void Step(const std::vector<Part>& parts);
  vattn_status TryPrepare(const std::vector<Part>& parts, vattn_error* error);
  void Prepare(const std::vector<Part>& parts);
  // The tensors of one layer, filled for a pass.
  struct Operands {
    std::unique_ptr<GpuRows> query, key, value, output, lse;
  };
  Operands MakeOperands(int64_t rows, int64_t gap = 0) const;
  void Fill(const std::vector<Part>& parts, int32_t layer, Operands* operands);
  vattn_status TryRun(int32_t layer, Operands* operands, const Ways& ways, vattn_error* error);
  void Run(int32_t layer, Operands* operands, const Ways& ways);
  Result Read(const Operands& operands, bool lse);
  // Of all layers' passes; `parts` may be fewer than rows of a padded graph.
  void CheckResult(const std::vector<Part>& parts, int32_t layer, const Result& result) const;
  void CheckAppended(const std::vector<Part>& parts);

  const Scenario& scenario() const { return scenario_; }
  const GpuStream& stream() const { return *stream_; }
  vattn_plan* plan() const { return plan_; }
  const vattn_cache_view& view() const { return view_; }
  vattn_config MakeConfig() const;
  vattn_limits MakeLimits() const;
  uint64_t Seed(size_t sequence) const { return sequences_[sequence].seed; }
  uint32_t BackedLength(size_t sequence);

 private:
  struct Sequence {
    vattn_sequence handle = 0;
    uint64_t seed = 0;
    uint32_t first_kept = 0;
  };
  struct Place {  // of sequences in the cache, as vattn_cache_api.resolve says
    std::vector<uint32_t> slot, backed, kept;
    std::vector<int32_t> table;
  };
  Place Resolve(const std::vector<vattn_sequence>& handles);
  void Must(vattn_status status, const char* what) const;
  size_t AddOf(uint64_t seed, uint32_t context, uint32_t backed);
  void StepTo(const std::vector<vattn_sequence>& handles, const std::vector<uint32_t>& lengths);
  void WriteContext(size_t sequence, uint32_t from, uint32_t to);
  // Copies rows [from, to) between the cache and `rows`, [token, head, dim].
  void CopyRows(size_t sequence, int32_t layer, Operand operand, uint32_t from, uint32_t to,
                uint16_t* rows, bool write);

  const Scenario scenario_;
  std::unique_ptr<GpuStream> stream_;
  vattn_cache_ref cache_{};
  vattn_cache_view view_{};
  vattn_plan* plan_ = nullptr;
  std::vector<Sequence> sequences_;
  mutable Error error_;
};

}  // namespace vattention::testing

#endif  // VATTENTION_NATIVE_TESTS_ATTENTION_CUDA_FIXTURE_H_
