#include "plan.h"

#include <exception>
#include <span>

#include "attention/cpu/cpu_backend.h"
#include "node/args.h"
#include "node/tags.h"
#include "node/tensor_record.h"
#include "plan_config.h"

namespace vattention::cpu_addon {

namespace {

using node::Elements;
using node::Integer;
using node::IntegerProperty;

// Records of query, key, value, output and lse, then the layer.
constexpr int kArguments = 5;
constexpr size_t kNumbers = kArguments * node::kTensorRecordLength + 1;

vattn_batch Lengths(std::span<const uint32_t> query, std::span<const uint32_t> kv) {
  vattn_batch batch{};
  batch.size = sizeof(batch);
  batch.count = static_cast<int32_t>(query.size());
  batch.query_length = query.data();
  batch.kv_length = kv.data();
  return batch;
}

}  // namespace

Napi::Function Plan::Define(Napi::Env env) {
  return DefineClass(
      env, "Plan",
      {InstanceMethod<&Plan::Prepare>("prepare"), InstanceMethod<&Plan::PrepareRows>("prepareRows"),
       InstanceMethod<&Plan::Run>("run"), InstanceMethod<&Plan::RunAsync>("runAsync"),
       InstanceMethod<&Plan::Append>("append"),
       InstanceMethod<&Plan::WorkspaceBytes>("workspaceBytes"),
       InstanceMethod<&Plan::Destroy>("destroy")});
}

Plan::Plan(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Plan>(info) {
  const PlanConfig config(info[0].As<Napi::Object>());
  const auto numbers = Elements<double>(info[1]);
  if (numbers.size() < kNumbers) {
    node::ThrowInvalidArgument(info.Env(), "Expected a larger array of records.");
  }
  node::ErrorRecord error;
  node::Check(info.Env(),
              vattn_cpu_backend()->plan_create(&config.config(), &config.limits(), &plan_, &error),
              error);
  records_ = Napi::Persistent(info[1].As<Napi::Float64Array>());
  numbers_ = numbers.data();
  reported_bytes_ = static_cast<int64_t>(vattn_cpu_backend()->plan_workspace_bytes(plan_));
  Napi::MemoryManagement::AdjustExternalMemory(info.Env(), reported_bytes_);
}

Plan::~Plan() {
  thread_.reset();  // waits for work at hand
  Free();
}

void Plan::Free() {
  if (plan_ == nullptr) return;
  binding_.Release();
  vattn_cpu_backend()->plan_destroy(plan_);
  plan_ = nullptr;
  Napi::MemoryManagement::AdjustExternalMemory(Env(), -reported_bytes_);
}

void Plan::CheckIdle(Napi::Env env) const {
  if (!pending_) return;
  node::ErrorRecord error;
  std::snprintf(error.message, sizeof(error.message),
                "A runAsync of this plan has not ended. Await it first.");
  throw node::MakeError(env, VATTN_BUSY, error);
}

// prepare(cache, sequences, queryLengths, kvLengths, stream)
void Plan::Prepare(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  CheckIdle(env);
  const vattn_cache_ref& ref = node::UnwrapCache(info[0]);
  const std::span<const uint32_t> sequences = Elements<uint32_t>(info[1]);
  const std::span<const uint32_t> kv = Elements<uint32_t>(info[3]);
  const auto stream = reinterpret_cast<uint64_t>(node::Address(info[4]));
  vattn_cache_view view;
  vattn_batch batch = Lengths(Elements<uint32_t>(info[2]), kv);
  node::ErrorRecord error;
  node::Check(env, binding_.Resolve(ref, sequences, &view, &batch, &error), error);
  node::Check(env,
              vattn_cpu_backend()->plan_prepare(plan_, &view, &batch, {VATTN_DEVICE_CPU, 0, stream},
                                                &error),
              error);
  node::Check(env, binding_.Keep(ref, kv, stream, &error), error);
}

// prepareRows(view, queryLengths, kvLengths, backedLengths, slots or undefined, tables or
// undefined, row stride): for a cache without a C table.
void Plan::PrepareRows(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  CheckIdle(env);
  const auto described = info[0].As<Napi::Object>();
  const auto records = Elements<double>(described.Get("records"));
  vattn_cache_view view{};
  view.size = sizeof(view);
  view.kind = IntegerProperty<int32_t>(described, "kind");
  view.shape.size = sizeof(view.shape);
  view.shape.layers = IntegerProperty<int32_t>(described, "layers");
  view.shape.kv_heads = IntegerProperty<int32_t>(described, "kvHeads");
  view.shape.head_dim = IntegerProperty<int32_t>(described, "headDim");
  view.shape.value_head_dim = IntegerProperty<int32_t>(described, "valueHeadDim");
  view.shape.dtype = IntegerProperty<int32_t>(described, "dtype");
  view.shape.max_sequences = IntegerProperty<int32_t>(described, "maxSequences");
  view.shape.max_length = IntegerProperty<int64_t>(described, "maxLength");
  view.pool_layout = IntegerProperty<int32_t>(described, "poolLayout");
  view.block_tokens = IntegerProperty<int32_t>(described, "blockTokens");
  const auto layers = static_cast<size_t>(view.shape.layers);
  if (records.size() < 2 * layers * node::kTensorRecordLength) {
    node::ThrowInvalidArgument(env, "Expected a larger array of records.");
  }
  std::vector<vattn_tensor> keys(layers);
  std::vector<vattn_tensor> values(layers);
  for (size_t i = 0; i < layers; ++i) {
    node::ReadTensorRecord(records.data(), static_cast<int>(2 * i), &keys[i]);
    node::ReadTensorRecord(records.data(), static_cast<int>(2 * i + 1), &values[i]);
  }
  view.key = keys.data();
  view.value = values.data();
  vattn_batch batch = Lengths(Elements<uint32_t>(info[1]), Elements<uint32_t>(info[2]));
  batch.backed_length = Elements<uint32_t>(info[3]).data();
  if (!info[4].IsUndefined()) {
    // Slots are not negative: the same bits.
    batch.slot = reinterpret_cast<const uint32_t*>(Elements<int32_t>(info[4]).data());
  }
  if (!info[5].IsUndefined()) {
    batch.block_table = Elements<int32_t>(info[5]).data();
    batch.block_table_stride = Integer<int64_t>(info[6]);
  }
  node::ErrorRecord error;
  node::Check(
      env,
      vattn_cpu_backend()->plan_prepare(plan_, &view, &batch, {VATTN_DEVICE_CPU, 0, 0}, &error),
      error);
  binding_.Release();
  // Moving a vector keeps its elements where the plan has just learnt that they are.
  key_layers_ = std::move(keys);
  value_layers_ = std::move(values);
}

void Plan::ReadArguments(Arguments* arguments) const {
  for (int i = 0; i < kArguments; ++i) {
    arguments->present[i] = node::ReadTensorRecord(numbers_, i, &arguments->tensors[i]);
  }
  arguments->layer = static_cast<int32_t>(numbers_[kNumbers - 1]);
}

vattn_status Plan::Compute(const Arguments& arguments, vattn_error* error) const {
  const vattn_tensor* const* tensor = arguments.present;
  return vattn_cpu_backend()->plan_run(plan_, arguments.layer, tensor[0], tensor[1], tensor[2],
                                       tensor[3], tensor[4], error);
}

void Plan::Run(const Napi::CallbackInfo& info) {
  CheckIdle(info.Env());
  Arguments arguments;
  ReadArguments(&arguments);
  node::ErrorRecord error;
  node::Check(info.Env(), binding_.Recheck(&error), error);
  node::Check(info.Env(), Compute(arguments, &error), error);
}

void Plan::Append(const Napi::CallbackInfo& info) {
  CheckIdle(info.Env());
  Arguments arguments;
  ReadArguments(&arguments);
  node::ErrorRecord error;
  node::Check(info.Env(), binding_.Recheck(&error), error);
  node::Check(info.Env(),
              vattn_cpu_backend()->plan_append(plan_, arguments.layer, arguments.present[1],
                                               arguments.present[2], &error),
              error);
}

Napi::Value Plan::RunAsync(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  CheckIdle(env);
  ReadArguments(&work_);
  work_error_ = {};
  node::Check(env, binding_.Recheck(&work_error_), work_error_);
  if (thread_ == nullptr) {
    thread_ = std::make_unique<RunThread>(env, [this](Napi::Env of) { Done(of); });
  }
  node::Check(env, binding_.BeginWork(&work_error_), work_error_);
  pending_.emplace(env);
  Ref();  // this object lives until Done
  thread_->Submit([this] {
    work_status_ = Compute(work_, &work_error_);
    binding_.EndWork();
  });
  return pending_->Promise();
}

void Plan::Done(Napi::Env env) {
  const Napi::Promise::Deferred deferred = *pending_;
  pending_.reset();
  if (destroy_when_done_) Free();
  if (work_status_ == VATTN_OK) {
    deferred.Resolve(env.Undefined());
  } else {
    deferred.Reject(node::MakeError(env, work_status_, work_error_).Value());
  }
  Unref();
}

Napi::Value Plan::WorkspaceBytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(reported_bytes_));
}

// Idempotent. With work at hand the plan goes when that has ended.
void Plan::Destroy(const Napi::CallbackInfo&) {
  if (pending_) {
    destroy_when_done_ = true;
  } else {
    thread_.reset();
    Free();
  }
}

}  // namespace vattention::cpu_addon
