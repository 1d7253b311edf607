#include "node/attention/plan_config.h"

#include "node/args.h"
#include "node/tensor_record.h"

namespace vattention::node {

namespace {

std::vector<float> Floats(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (value.IsUndefined()) return {};
  const auto elements = Elements<float>(value);
  return {elements.begin(), elements.end()};
}

}  // namespace

PlanConfig::PlanConfig(const Napi::Object& object)
    : alibi_(Floats(object, "alibiSlopes")), sinks_(Floats(object, "sinks")) {
  const auto integer = [&](const char* name) { return IntegerProperty<int32_t>(object, name); };
  config_.size = sizeof(config_);
  config_.cache_kind = integer("cacheKind");
  config_.shape.size = sizeof(config_.shape);
  config_.shape.layers = integer("layers");
  config_.shape.kv_heads = integer("kvHeads");
  config_.shape.head_dim = integer("headDim");
  config_.shape.value_head_dim = integer("valueHeadDim");
  config_.shape.dtype = integer("cacheDtype");
  config_.shape.max_sequences = integer("cacheSequences");
  config_.shape.max_length = IntegerProperty<int64_t>(object, "cacheLength");
  config_.pool_layout = integer("poolLayout");
  config_.block_tokens = integer("blockTokens");
  config_.query_heads = integer("queryHeads");
  config_.dtype = integer("dtype");
  config_.scale = static_cast<float>(NumberProperty(object, "scale"));
  config_.causal = BooleanProperty(object, "causal") ? 1 : 0;
  config_.window = integer("window");
  config_.soft_cap = static_cast<float>(NumberProperty(object, "softCap"));
  config_.alibi_slopes = alibi_.empty() ? nullptr : alibi_.data();
  config_.sinks = sinks_.empty() ? nullptr : sinks_.data();
  config_.needs_lse = BooleanProperty(object, "needsLse") ? 1 : 0;
  config_.batch_invariant = BooleanProperty(object, "batchInvariant") ? 1 : 0;
  if (const Napi::Value scales = object.Get("scales"); !scales.IsUndefined()) {
    const auto records = Elements<double>(scales);
    if (records.size() < scales_.size() * kTensorRecordLength) {
      ThrowInvalidArgument(object.Env(), "Expected a larger array of records.");
    }
    config_.query_scale = ReadTensorRecord(records.data(), 0, &scales_[0]);
    config_.key_scale = ReadTensorRecord(records.data(), 1, &scales_[1]);
    config_.value_scale = ReadTensorRecord(records.data(), 2, &scales_[2]);
  }
  limits_.size = sizeof(limits_);
  limits_.max_sequences = integer("maxSequences");
  limits_.max_tokens = integer("maxTokens");
  limits_.max_length = IntegerProperty<int64_t>(object, "maxLength");
  limits_.graph_sequences = integer("graphSequences");
  limits_.graph_max_length = IntegerProperty<int64_t>(object, "graphMaxLength");
  limits_.threads = integer("threads");
  limits_.device_index = integer("deviceIndex");
}

}  // namespace vattention::node
