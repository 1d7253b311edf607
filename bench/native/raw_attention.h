// Upstream's own launchers, called as their authors would: parameters made once, then one call for
// each layer. What a backend's plan_run is measured against. One file for each library, since their
// headers collide.
#ifndef VATTENTION_BENCH_NATIVE_RAW_ATTENTION_H_
#define VATTENTION_BENCH_NATIVE_RAW_ATTENTION_H_

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace vattention::bench {

// Heads of Llama-3-8B, bfloat16.
inline constexpr int32_t kQueryHeads = 32;
inline constexpr int32_t kKvHeads = 8;
inline constexpr int32_t kHeadDim = 128;
inline constexpr int64_t kKvRow = int64_t{kKvHeads} * kHeadDim;        // elements of a token
inline constexpr int64_t kQueryRow = int64_t{kQueryHeads} * kHeadDim;  // likewise

// What is attended to: one causal prompt, or one new token of each sequence.
struct RawProblem {
  bool prefill;
  int32_t sequences;
  int32_t length;  // of each
  int32_t multiprocessors;
  float scale;
  void* query;   // [prefill ? length : sequences, kQueryHeads, kHeadDim]
  void* output;  // likewise

  // Of each layer.
  std::vector<void*> key;
  std::vector<void*> value;
  // Contiguous: sequence i in slot i, [sequences, slot_rows, kKvHeads, kHeadDim], dense.
  int64_t slot_rows;
  // Paged: the published layout of PagedAttention.
  int32_t block_tokens;
  std::vector<int32_t> block_table;  // [sequences, block_table.size() / sequences]
};

class RawAttention {
 public:
  virtual ~RawAttention() = default;
  // What is launched, for the report.
  virtual std::string Kernel() const = 0;
  // What is done once for all layers, before the first; the backends do it in plan_prepare.
  virtual void Prepare(cudaStream_t) {}
  virtual void Launch(int32_t layer, cudaStream_t stream) = 0;
};

// All throw attention::cuda::CudaError.
std::unique_ptr<RawAttention> MakeRawFlashAttention2(const RawProblem& problem);
std::unique_ptr<RawAttention> MakeRawFlashAttention3(const RawProblem& problem);
std::unique_ptr<RawAttention> MakeRawFlashInfer(const RawProblem& problem);
std::unique_ptr<RawAttention> MakeRawPagedAttention(const RawProblem& problem);

}  // namespace vattention::bench

#endif  // VATTENTION_BENCH_NATIVE_RAW_ATTENTION_H_
