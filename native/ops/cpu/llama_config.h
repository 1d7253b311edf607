// The numbers and the tensors of a Llama-family model.
#ifndef VATTENTION_OPS_CPU_LLAMA_CONFIG_H_
#define VATTENTION_OPS_CPU_LLAMA_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ops/cpu/dequantize.h"
#include "ops/cpu/rope.h"
#include "ops/cpu/status.h"
#include "ops/cpu/weight_matrix.h"

namespace vattention::ops {

struct LlamaConfig {
  int32_t layers = 0;
  int32_t hidden_size = 0;
  int32_t feed_forward_size = 0;
  int32_t query_heads = 0;
  int32_t kv_heads = 0;
  int32_t head_dim = 0;
  int32_t vocabulary_size = 0;
  float norm_epsilon = 1e-5f;
  double rope_base = 10000;
  int32_t rope_dims = 0;  // leading elements of each head that are rotated
  RopeStyle rope_style = RopeStyle::kInterleaved;
  double rope_scale = 1;  // positions are divided by it
  bool tied_embeddings = false;
  Precision precision = Precision::kFloat32;  // of matrices

  int64_t query_width() const { return int64_t{query_heads} * head_dim; }
  int64_t kv_width() const { return int64_t{kv_heads} * head_dim; }
  int64_t qkv_width() const { return query_width() + 2 * kv_width(); }
};

// What is wrong with the numbers, if anything.
Status CheckConfig(const LlamaConfig& config);

// Which of a model's tensors it is. Matrices are [outputs, inputs].
enum class WeightRole {
  kEmbedding,    // [vocabulary, hidden]
  kOutputNorm,   // [hidden]
  kOutput,       // [vocabulary, hidden]
  kRopeFactors,  // [rope_dims / 2]
  kAttentionNorm,
  kQuery,
  kKey,
  kValue,
  kQueryBias,
  kKeyBias,
  kValueBias,
  kQueryNorm,  // [head_dim]
  kKeyNorm,
  kAttentionOutput,
  kFeedForwardNorm,
  kGate,
  kUp,
  kDown,
};
inline constexpr int kWeightRoles = static_cast<int>(WeightRole::kDown) + 1;

struct RoleInfo {
  const char* name;  // "attentionNorm"
  bool per_layer;
  bool required;
};
const RoleInfo& InfoOf(WeightRole role);
std::optional<WeightRole> ParseWeightRole(std::string_view name);
// The shape that `config` demands, outermost first.
std::vector<int64_t> ShapeOf(const LlamaConfig& config, WeightRole role);
// "layer 3 query", "embedding": for messages.
std::string TensorName(WeightRole role, int32_t layer);

// One tensor in a file.
struct WeightSource {
  WeightRole role;
  int32_t layer;  // -1 for tensors of no layer
  std::string path;
  uint64_t offset;  // bytes from the file's start
  StorageType type;
  std::vector<int64_t> shape;  // outermost first
};

}  // namespace vattention::ops

#endif  // VATTENTION_OPS_CPU_LLAMA_CONFIG_H_
