// The weights of a Llama-family model in memory, packed for this CPU. Shared by any number of
// passes once loading ended; read-only from then on.
#ifndef VATTENTION_OPS_CPU_LLAMA_MODEL_H_
#define VATTENTION_OPS_CPU_LLAMA_MODEL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ops/cpu/embedding_table.h"
#include "ops/cpu/llama_config.h"
#include "ops/cpu/status.h"
#include "ops/cpu/weight_matrix.h"

namespace vattention::ops {

struct LlamaLayer {
  std::vector<float> attention_norm;     // [hidden]
  WeightMatrix qkv;                      // [query + key + value, hidden]
  std::vector<float> qkv_bias;           // [query + key + value], or empty
  std::vector<float> query_norm;         // [head_dim], or empty
  std::vector<float> key_norm;           // [head_dim], or empty
  WeightMatrix attention_output;         // [hidden, query]
  std::vector<float> feed_forward_norm;  // [hidden]
  WeightMatrix gate_up;                  // [2 * feed_forward, hidden]: all of gate, then all of up
  WeightMatrix down;                     // [hidden, feed_forward]
};

class LlamaModel {
 public:
  explicit LlamaModel(const LlamaConfig& config);

  // Reads, dequantises and packs one tensor. Several threads may load different tensors. On failure
  // the message names the tensor.
  Status Load(const WeightSource& source);
  // Gives a tensor by value.
  Status Set(WeightRole role, int32_t layer, const float* values, int64_t count);
  // Random weights for everything that is required: norms 1, matrices uniform with a variance of
  // 1 / inputs. Equal seeds give equal weights.
  Status Fill(uint64_t seed);
  // Ends loading. Returns the names of missing tensors; empty when complete. What is optional must
  // be there for all layers or for none.
  std::vector<std::string> Finish();

  const LlamaConfig& config() const { return config_; }
  bool complete() const { return complete_; }
  uint64_t bytes() const { return bytes_; }

  // Once complete.
  const EmbeddingTable& embedding() const { return embedding_; }
  const WeightMatrix& output() const { return output_; }  // [vocabulary, hidden], tied or not
  const std::vector<float>& output_norm() const { return output_norm_; }
  const std::vector<float>& rope_factors() const { return rope_factors_; }  // or empty
  const LlamaLayer& layer(int32_t index) const { return layers_[static_cast<size_t>(index)]; }

 private:
  // Where rows of a matrix role go: rows [first, ...) of a packed matrix.
  struct MatrixTarget {
    WeightMatrix* matrix;
    int64_t first;
  };
  MatrixTarget MatrixFor(WeightRole role, int32_t layer);
  // Where a vector role goes.
  float* VectorFor(WeightRole role, int32_t layer);
  Status CheckRole(WeightRole role, int32_t layer) const;
  size_t LoadedIndex(WeightRole role, int32_t layer) const;
  // Marks a tensor as loaded; an error when it was loaded before. Unclaim takes it back.
  Status Claim(WeightRole role, int32_t layer);
  void Unclaim(WeightRole role, int32_t layer);
  Status LoadMatrix(const WeightSource& source);
  Status LoadVector(const WeightSource& source);
  void FillMatrix(WeightRole role, int32_t layer, uint64_t seed);
  void Account(size_t bytes) { bytes_ += bytes; }

  LlamaConfig config_;
  std::mutex mutex_;          // allocation and `loaded_`
  std::vector<bool> loaded_;  // [role, layers + 1]; the last is for tensors of no layer
  std::vector<LlamaLayer> layers_;
  EmbeddingTable embedding_;
  WeightMatrix output_;
  std::vector<float> output_norm_;
  std::vector<float> rope_factors_;
  std::atomic<uint64_t> bytes_ = 0;
  std::atomic<bool> complete_ = false;
};

}  // namespace vattention::ops

#endif  // VATTENTION_OPS_CPU_LLAMA_MODEL_H_
