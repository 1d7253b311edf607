#include "plan_config.h"

#include "node/args.h"

namespace vattention::cpu_addon {

namespace {

std::vector<float> Floats(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (value.IsUndefined()) return {};
  const auto elements = node::Elements<float>(value);
  return {elements.begin(), elements.end()};
}

}  // namespace

PlanConfig::PlanConfig(const Napi::Object& object)
    : alibi_(Floats(object, "alibiSlopes")), sinks_(Floats(object, "sinks")) {
  const auto integer = [&](const char* name) {
    return node::IntegerProperty<int32_t>(object, name);
  };
  config_.size = sizeof(config_);
  config_.cache_kind = integer("cacheKind");
  config_.shape.size = sizeof(config_.shape);
  config_.shape.layers = integer("layers");
  config_.shape.kv_heads = integer("kvHeads");
  config_.shape.head_dim = integer("headDim");
  config_.shape.value_head_dim = integer("valueHeadDim");
  config_.shape.dtype = integer("cacheDtype");
  config_.shape.max_sequences = integer("cacheSequences");
  config_.shape.max_length = node::IntegerProperty<int64_t>(object, "cacheLength");
  config_.pool_layout = integer("poolLayout");
  config_.block_tokens = integer("blockTokens");
  config_.query_heads = integer("queryHeads");
  config_.dtype = integer("dtype");
  config_.scale = static_cast<float>(node::NumberProperty(object, "scale"));
  config_.causal = node::BooleanProperty(object, "causal") ? 1 : 0;
  config_.window = integer("window");
  config_.soft_cap = static_cast<float>(node::NumberProperty(object, "softCap"));
  config_.alibi_slopes = alibi_.empty() ? nullptr : alibi_.data();
  config_.sinks = sinks_.empty() ? nullptr : sinks_.data();
  config_.needs_lse = node::BooleanProperty(object, "needsLse") ? 1 : 0;
  config_.batch_invariant = 1;
  limits_.size = sizeof(limits_);
  limits_.max_sequences = integer("maxSequences");
  limits_.max_tokens = integer("maxTokens");
  limits_.max_length = node::IntegerProperty<int64_t>(object, "maxLength");
  limits_.threads = integer("threads");
}

}  // namespace vattention::cpu_addon
