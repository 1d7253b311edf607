#include "ops/cpu/llama_config.h"

#include <iterator>

#include "ops/cpu/status.h"

namespace vattention::ops {
namespace {

constexpr RoleInfo kRoles[] = {
    {"embedding", false, true},
    {"outputNorm", false, true},
    {"output", false, false},
    {"ropeFactors", false, false},
    {"attentionNorm", true, true},
    {"query", true, true},
    {"key", true, true},
    {"value", true, true},
    {"queryBias", true, false},
    {"keyBias", true, false},
    {"valueBias", true, false},
    {"queryNorm", true, false},
    {"keyNorm", true, false},
    {"attentionOutput", true, true},
    {"feedForwardNorm", true, true},
    {"gate", true, true},
    {"up", true, true},
    {"down", true, true},
};
static_assert(std::size(kRoles) == kWeightRoles, "one entry for each WeightRole, in its order");

}  // namespace

const RoleInfo& InfoOf(WeightRole role) { return kRoles[static_cast<size_t>(role)]; }

std::optional<WeightRole> ParseWeightRole(std::string_view name) {
  for (size_t i = 0; i < std::size(kRoles); ++i) {
    if (name == kRoles[i].name) return static_cast<WeightRole>(i);
  }
  return std::nullopt;
}

std::vector<int64_t> ShapeOf(const LlamaConfig& config, WeightRole role) {
  const int64_t hidden = config.hidden_size;
  switch (role) {
    case WeightRole::kEmbedding:
    case WeightRole::kOutput:
      return {config.vocabulary_size, hidden};
    case WeightRole::kOutputNorm:
    case WeightRole::kAttentionNorm:
    case WeightRole::kFeedForwardNorm:
      return {hidden};
    case WeightRole::kRopeFactors:
      return {config.rope_dims / 2};
    case WeightRole::kQuery:
      return {config.query_width(), hidden};
    case WeightRole::kKey:
    case WeightRole::kValue:
      return {config.kv_width(), hidden};
    case WeightRole::kQueryBias:
      return {config.query_width()};
    case WeightRole::kKeyBias:
    case WeightRole::kValueBias:
      return {config.kv_width()};
    case WeightRole::kQueryNorm:
    case WeightRole::kKeyNorm:
      return {config.head_dim};
    case WeightRole::kAttentionOutput:
      return {hidden, config.query_width()};
    case WeightRole::kGate:
    case WeightRole::kUp:
      return {config.feed_forward_size, hidden};
    case WeightRole::kDown:
      return {hidden, config.feed_forward_size};
  }
  throw InternalError("unknown weight role");
}

std::string TensorName(WeightRole role, int32_t layer) {
  const RoleInfo& info = InfoOf(role);
  return info.per_layer ? "layer " + std::to_string(layer) + " " + info.name : info.name;
}

}  // namespace vattention::ops
