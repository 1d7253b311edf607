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

Status CheckConfig(const LlamaConfig& config) {
  const auto at_least = [](const char* name, int64_t value, int64_t least) -> Status {
    if (value >= least) return {};
    return Error(VATTN_INVALID_ARGUMENT, "Expected %s of at least %lld, received %lld.", name,
                 static_cast<long long>(least), static_cast<long long>(value));
  };
  VATTN_RETURN_IF_ERROR(at_least("layers", config.layers, 1));
  VATTN_RETURN_IF_ERROR(at_least("hiddenSize", config.hidden_size, 1));
  VATTN_RETURN_IF_ERROR(at_least("feedForwardSize", config.feed_forward_size, 1));
  VATTN_RETURN_IF_ERROR(at_least("kvHeads", config.kv_heads, 1));
  VATTN_RETURN_IF_ERROR(at_least("queryHeads", config.query_heads, config.kv_heads));
  VATTN_RETURN_IF_ERROR(at_least("headDim", config.head_dim, 1));
  VATTN_RETURN_IF_ERROR(at_least("vocabularySize", config.vocabulary_size, 1));
  VATTN_RETURN_IF_ERROR(at_least("ropeDims", config.rope_dims, 0));
  if (config.query_heads % config.kv_heads != 0) {
    return Error(VATTN_INVALID_ARGUMENT,
                 "Expected queryHeads to be a multiple of kvHeads, received %d and %d.",
                 config.query_heads, config.kv_heads);
  }
  if (config.rope_dims % 2 != 0 || config.rope_dims > config.head_dim) {
    return Error(VATTN_INVALID_ARGUMENT,
                 "Expected an even number of ropeDims up to headDim %d, received %d.",
                 config.head_dim, config.rope_dims);
  }
  if (!(config.rope_base > 0) || !(config.rope_scale > 0)) {
    return Error(VATTN_INVALID_ARGUMENT,
                 "Expected a ropeBase and a ropeScale above 0, received %g and %g.",
                 config.rope_base, config.rope_scale);
  }
  return {};
}

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
