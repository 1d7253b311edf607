// The forward pass of a Llama-family model over a cache and an attention backend.
//
// Per layer: norm, fused q/k/v product, bias, head norms, rotary embedding, attention (which
// appends K and V to the cache), output product, residual; norm, fused gate/up product, SiLU, down
// product, residual. The last layer goes on with the rows alone whose logits are wanted.
//
// Every row is computed independently of the others (matmul.h, rows.h), so with a backend that is
// batch invariant the tokens do not depend on batch mates, on how a prompt is cut into chunks, or
// on which kind of cache holds K and V.
#ifndef VATTENTION_OPS_CPU_LLAMA_PASS_H_
#define VATTENTION_OPS_CPU_LLAMA_PASS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "ops/cpu/aligned_buffer.h"
#include "ops/cpu/forward_batch.h"
#include "ops/cpu/llama_model.h"
#include "ops/cpu/matmul.h"
#include "ops/cpu/rope.h"
#include "ops/cpu/status.h"
#include "ops/cpu/team.h"
#include "vattention/attention.h"

namespace vattention::ops {

struct PassOptions {
  int32_t threads = 1;
  int32_t max_sequences = 0;
  int32_t max_tokens = 0;  // rows of one pass
  int64_t max_length = 0;  // KV length of a sequence
  int32_t window = 0;      // attention; 0: none
  float soft_cap = 0;      // attention; 0: none
};

// Where the sequences of a pass lie in the cache.
struct ResolvedBatch {
  std::vector<uint32_t> slot, backed_length, first_kept;  // [max_sequences]
  std::vector<int32_t> block_table;                       // [max_sequences, stride]; paged
  int64_t block_table_stride = 0;
};

class LlamaPass {
 public:
  // `model` must be complete; it, the cache and the backend must outlive this object. Create, Run
  // and the destructor belong to one thread, which becomes the first of the team.
  static Status Create(const LlamaModel& model, const vattn_cache_ref& cache,
                       const vattn_backend& backend, const PassOptions& options,
                       std::unique_ptr<LlamaPass>* pass);
  ~LlamaPass();
  LlamaPass(const LlamaPass&) = delete;
  LlamaPass& operator=(const LlamaPass&) = delete;

  // Checks a batch and asks the cache where its sequences are, into `resolved`. Any thread.
  Status Resolve(const ForwardBatch& batch, ResolvedBatch* resolved) const;
  // Room for the largest batch.
  ResolvedBatch MakeResolvedBatch() const;

  // Computes; `batch` must have been resolved since the cache last changed. After a failure the
  // next pass may run.
  Status Run(const ForwardBatch& batch, const ResolvedBatch& resolved, ForwardResult* result);

  // Bytes of activations and workspaces.
  uint64_t workspace_bytes() const;

 private:
  LlamaPass(const LlamaModel& model, const vattn_cache_ref& cache, const vattn_backend& backend,
            const PassOptions& options);
  Status CheckCache() const;
  Status MakePlan();
  void MakeBuffers();

  void Embed(const ForwardBatch& batch);
  Status RunLayer(const ForwardBatch& batch, int32_t index, int64_t* rows);
  void PrepareHeads(const LlamaLayer& layer, int64_t rows);
  Status Attend(int32_t layer, int64_t rows);
  void KeepLogitRows(const ForwardBatch& batch);
  // normed = RMS norm of the residual rows.
  void Normalize(const std::vector<float>& weight, int64_t rows);
  // residual += delta, then normed = RMS norm of the sum.
  void AddAndNormalize(const float* delta, const std::vector<float>& weight, int64_t rows);
  void AddResidual(const float* delta, int64_t rows);
  void SampleRows(const ForwardBatch& batch, ForwardResult* result);
  void Multiply(Matmul* matmul, const WeightMatrix& weights, const void* activations, int64_t rows,
                float* output);
  vattn_tensor Heads(float* data, int64_t rows, int32_t heads, int64_t row_stride) const;

  const LlamaModel& model_;
  const LlamaConfig& config_;
  vattn_cache_ref cache_;
  const vattn_backend& backend_;
  PassOptions options_;
  Team team_;
  Rope rope_;
  vattn_cache_view view_;
  vattn_plan* plan_ = nullptr;
  std::unique_ptr<Matmul> qkv_, attention_output_, gate_up_, down_, output_;

  // Activations. Rows are Matmul::RoundRows(max_tokens); "product" marks inputs of matrix products,
  // in the precision of the weights.
  AlignedBuffer<float> residual_;                // [rows, hidden]
  AlignedBuffer<std::byte> normed_;              // [rows, hidden], product
  AlignedBuffer<float> heads_;                   // [rows, query + key + value]
  AlignedBuffer<float> cosines_, sines_;         // [rows, rope pairs]
  std::vector<int64_t> positions_;               // [rows]
  AlignedBuffer<float> attended_;                // [rows, query]
  AlignedBuffer<std::byte> attended_product_;    // [rows, query], product; unused in float32
  AlignedBuffer<float> projected_;               // [rows, hidden]
  AlignedBuffer<float> gates_;                   // [rows, 2 * feed_forward]
  AlignedBuffer<std::byte> gated_;               // [rows, feed_forward], product
  AlignedBuffer<float> logits_;                  // [logit rows at a time, vocabulary]
  std::vector<SamplerScratch> sampler_scratch_;  // [threads]
  ForwardTimings timings_;
};

}  // namespace vattention::ops

#endif  // VATTENTION_OPS_CPU_LLAMA_PASS_H_
