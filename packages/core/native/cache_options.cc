#include "cache_options.h"

#include <algorithm>
#include <iterator>

#include "node/args.h"

namespace vattention::core {
namespace {

using node::BooleanProperty;
using node::IntegerProperty;

vattn_cache_shape ReadShape(const Napi::Object& options) {
  vattn_cache_shape shape{};
  shape.size = sizeof(shape);
  shape.layers = IntegerProperty<int32_t>(options, "layers");
  shape.kv_heads = IntegerProperty<int32_t>(options, "kvHeads");
  shape.head_dim = IntegerProperty<int32_t>(options, "headDim");
  shape.value_head_dim = IntegerProperty<int32_t>(options, "valueHeadDim");
  shape.dtype = IntegerProperty<int32_t>(options, "dtype");
  shape.max_sequences = IntegerProperty<int32_t>(options, "maxSequences");
  shape.max_length = IntegerProperty<int64_t>(options, "maxLength");
  return shape;
}

}  // namespace

vattn_fault_plan ReadFaults(const Napi::Object& faults) {
  vattn_fault_plan plan{};
  plan.size = sizeof(plan);
  plan.fail_call = IntegerProperty<int64_t>(faults, "failCall");
  plan.fail_count = IntegerProperty<int64_t>(faults, "failCount");
  plan.fail_code = IntegerProperty<int32_t>(faults, "failCode");
  plan.fail_kind = IntegerProperty<int32_t>(faults, "failKind");
  plan.delay_us = IntegerProperty<int32_t>(faults, "delayUs");
  return plan;
}

CacheOptions::CacheOptions(const Napi::Object& options)
    : cgroup_root_(node::StringProperty(options, "cgroupRoot")) {
  options_.size = sizeof(options_);
  options_.shape = ReadShape(options);
  options_.device_type = IntegerProperty<int32_t>(options, "deviceType");
  options_.device_index = IntegerProperty<int32_t>(options, "deviceIndex");
  options_.limit_bytes = IntegerProperty<uint64_t>(options, "limitBytes");
  options_.layout = IntegerProperty<int32_t>(options, "layout");
  options_.layer_group = IntegerProperty<int32_t>(options, "layerGroup");
  const auto classes = node::Elements<double>(options.Get("pageBytes"));
  options_.page_classes =
      static_cast<int32_t>(std::min(classes.size(), std::size(options_.page_bytes)));
  for (int32_t i = 0; i < options_.page_classes; ++i) {
    options_.page_bytes[i] = static_cast<uint64_t>(classes[static_cast<size_t>(i)]);
  }
  options_.share_page_bytes = IntegerProperty<uint64_t>(options, "sharePageBytes");
  options_.tail_rows = IntegerProperty<int32_t>(options, "tailRows");
  options_.lead_rows = IntegerProperty<int32_t>(options, "leadRows");
  options_.zero = IntegerProperty<int32_t>(options, "zero");
  options_.map_ahead = BooleanProperty(options, "mapAhead") ? 1 : 0;
  options_.ahead_tokens = IntegerProperty<int32_t>(options, "aheadTokens");
  options_.idle_slots = IntegerProperty<int32_t>(options, "idleSlots");
  options_.low_water_bytes = IntegerProperty<uint64_t>(options, "lowWaterBytes");
  options_.mapping_budget = IntegerProperty<uint64_t>(options, "mappingBudget");
  options_.trace_events = IntegerProperty<int32_t>(options, "traceEvents");
  options_.cgroup_root = cgroup_root_.empty() ? nullptr : cgroup_root_.c_str();
  const Napi::Value faults = options.Get("faults");
  if (!faults.IsUndefined()) {
    faults_ = ReadFaults(faults.As<Napi::Object>());
    options_.faults = &*faults_;
  }
}

Napi::Value Geometry(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const CacheOptions options(info[0].As<Napi::Object>());
  vattn_geometry geometry{};
  geometry.size = sizeof(geometry);
  node::ErrorRecord error;
  node::Check(env, vattn_contiguous_geometry(options.get(), &geometry, &error), error);
  Napi::Object result = Napi::Object::New(env);
  result.Set("tensors", static_cast<double>(geometry.tensors));
  result.Set("bytesPerToken", static_cast<double>(geometry.bytes_per_token));
  result.Set("smallestPageBytes", static_cast<double>(geometry.smallest_page_bytes));
  result.Set("slotBytes", static_cast<double>(geometry.slot_bytes));
  result.Set("reservedBytes", static_cast<double>(geometry.reserved_bytes));
  result.Set("wasteBoundBytes", static_cast<double>(geometry.waste_bound_bytes));
  Napi::Array rows = Napi::Array::New(env, 2);
  rows.Set(uint32_t{0}, static_cast<double>(geometry.row_bytes[0]));
  rows.Set(uint32_t{1}, static_cast<double>(geometry.row_bytes[1]));
  result.Set("rowBytes", rows);
  return result;
}

}  // namespace vattention::core
