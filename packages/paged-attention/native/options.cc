#include "options.h"

#include "node/args.h"
#include "node/error.h"

namespace vattention::paged_attention {

using node::BooleanProperty;
using node::IntegerProperty;

vattn_fault_plan FaultPlan(const Napi::Object& object) {
  vattn_fault_plan faults = {};
  faults.size = sizeof(faults);
  faults.fail_call = IntegerProperty<int64_t>(object, "failCall");
  faults.fail_count = IntegerProperty<int64_t>(object, "failCount");
  faults.fail_code = IntegerProperty<int32_t>(object, "failCode");
  faults.fail_kind = IntegerProperty<int32_t>(object, "failKind");
  faults.delay_us = IntegerProperty<int32_t>(object, "delayUs");
  return faults;
}

Options::Options(const Napi::Object& object) {
  vattn_cache_shape& shape = options_.shape;
  shape.size = sizeof(shape);
  shape.layers = IntegerProperty<int32_t>(object, "layers");
  shape.kv_heads = IntegerProperty<int32_t>(object, "kvHeads");
  shape.head_dim = IntegerProperty<int32_t>(object, "headDim");
  shape.value_head_dim = IntegerProperty<int32_t>(object, "valueHeadDim");
  shape.dtype = IntegerProperty<int32_t>(object, "dtype");
  shape.max_sequences = IntegerProperty<int32_t>(object, "maxSequences");
  shape.max_length = IntegerProperty<int64_t>(object, "maxLength");
  options_.size = sizeof(options_);
  options_.device_type = IntegerProperty<int32_t>(object, "deviceType");
  options_.device_index = IntegerProperty<int32_t>(object, "deviceIndex");
  options_.limit_bytes = IntegerProperty<uint64_t>(object, "limitBytes");
  options_.block_tokens = IntegerProperty<int32_t>(object, "blockTokens");
  options_.pool_layout = IntegerProperty<int32_t>(object, "poolLayout");
  options_.prefix_cache = BooleanProperty(object, "prefixCache") ? 1 : 0;
  options_.hash_bits = IntegerProperty<int32_t>(object, "hashBits");
  options_.trace_events = IntegerProperty<int32_t>(object, "traceEvents");
  notify_events_ = BooleanProperty(object, "notifyEvents");
  cgroup_root_ = node::StringProperty(object, "cgroupRoot");
  if (!cgroup_root_.empty()) options_.cgroup_root = cgroup_root_.c_str();
  if (const Napi::Value faults = object.Get("faults"); faults.IsObject()) {
    faults_ = FaultPlan(faults.As<Napi::Object>());
    options_.faults = &faults_;
  }
}

Napi::Value Geometry(const Napi::CallbackInfo& info) {
  const Options options(info[0].As<Napi::Object>());
  vattn_paged_geometry geometry = {};
  geometry.size = sizeof(geometry);
  node::ErrorRecord error;
  node::Check(info.Env(), vattn_paged_geometry_of(options.get(), &geometry, &error), error);
  auto result = Napi::Object::New(info.Env());
  result.Set("blocks", geometry.blocks);
  result.Set("blockTokens", geometry.block_tokens);
  result.Set("maxBlocks", geometry.max_blocks);
  result.Set("bytesPerToken", static_cast<double>(geometry.bytes_per_token));
  result.Set("blockBytes", static_cast<double>(geometry.block_bytes));
  result.Set("poolBytes", static_cast<double>(geometry.pool_bytes));
  result.Set("reservedBytes", static_cast<double>(geometry.reserved_bytes));
  result.Set("wasteBoundBytes", static_cast<double>(geometry.waste_bound_bytes));
  return result;
}

}  // namespace vattention::paged_attention
