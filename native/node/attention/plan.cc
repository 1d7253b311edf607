#include "node/attention/plan.h"

#include <cstdio>
#include <span>
#include <utility>
#include <vector>

#include "node/args.h"
#include "node/attention/plan_config.h"
#include "node/tags.h"
#include "node/tensor_record.h"

namespace vattention::node {

namespace {

// Records of query, key, value, output and lse, then the layer.
constexpr int kArguments = 5;
constexpr size_t kNumbers = kArguments * kTensorRecordLength + 1;

vattn_batch Lengths(std::span<const uint32_t> query, std::span<const uint32_t> kv) {
  vattn_batch batch{};
  batch.size = sizeof(batch);
  batch.count = static_cast<int32_t>(query.size());
  batch.query_length = query.data();
  batch.kv_length = kv.data();
  return batch;
}

}  // namespace

Napi::Function Plan::Define(Napi::Env env, const BackendTable& table) {
  std::vector<PropertyDescriptor> methods = {
      InstanceMethod<&Plan::Prepare>("prepare"),
      InstanceMethod<&Plan::PrepareRows>("prepareRows"),
      InstanceMethod<&Plan::Run>("run"),
      InstanceMethod<&Plan::Append>("append"),
      InstanceMethod<&Plan::WorkspaceBytes>("workspaceBytes"),
      InstanceMethod<&Plan::Destroy>("destroy"),
  };
  if (table.device_type == VATTN_DEVICE_CPU) {
    methods.push_back(InstanceMethod<&Plan::RunAsync>("runAsync"));
  }
  return DefineClass(env, "Plan", methods, const_cast<BackendTable*>(&table));
}

Plan::Plan(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<Plan>(info), table_(*static_cast<const BackendTable*>(info.Data())) {
  const PlanConfig config(info[0].As<Napi::Object>());
  const auto numbers = Elements<double>(info[1]);
  if (numbers.size() < kNumbers) {
    ThrowInvalidArgument(info.Env(), "Expected a larger array of records.");
  }
  ErrorRecord error;
  Check(info.Env(), table_.api->plan_create(&config.config(), &config.limits(), &plan_, &error),
        error);
  device_index_ = config.limits().device_index;
  records_ = Napi::Persistent(info[1].As<Napi::Float64Array>());
  numbers_ = numbers.data();
  workspace_bytes_ = table_.api->plan_workspace_bytes(plan_);
  if (table_.device_type == VATTN_DEVICE_CPU) {
    reported_bytes_ = static_cast<int64_t>(workspace_bytes_);
    Napi::MemoryManagement::AdjustExternalMemory(info.Env(), reported_bytes_);
  }
}

Plan::~Plan() {
  thread_.reset();  // waits for work at hand
  Free();
}

void Plan::Free() {
  if (plan_ == nullptr) return;
  // The plan first: on a device its last work has then ended, and the stream is let go of.
  table_.api->plan_destroy(plan_);
  plan_ = nullptr;
  binding_.Release();
  foreign_.reset();
  if (reported_bytes_ != 0) {
    Napi::MemoryManagement::AdjustExternalMemory(Env(), -reported_bytes_);
  }
}

void Plan::CheckIdle(Napi::Env env) const {
  if (!pending_) return;
  ErrorRecord error;
  std::snprintf(error.message, sizeof(error.message),
                "A runAsync of this plan has not ended. Await it first.");
  throw MakeError(env, VATTN_BUSY, error);
}

vattn_stream Plan::StreamOf(const Napi::Value& handle) const {
  return {table_.device_type, device_index_, reinterpret_cast<uint64_t>(Address(handle))};
}

// prepare(cache, sequences, queryLengths, kvLengths, stream)
void Plan::Prepare(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  CheckIdle(env);
  const vattn_cache_ref& ref = UnwrapCache(info[0]);
  const std::span<const uint32_t> sequences = Elements<uint32_t>(info[1]);
  const std::span<const uint32_t> kv = Elements<uint32_t>(info[3]);
  const vattn_stream stream = StreamOf(info[4]);
  vattn_cache_view view;
  vattn_batch batch = Lengths(Elements<uint32_t>(info[2]), kv);
  ErrorRecord error;
  Check(env, binding_.Resolve(ref, sequences, &view, &batch, &error), error);
  Check(env, binding_.Hold(ref, stream, &error), error);
  Check(env, table_.api->plan_prepare(plan_, &view, &batch, stream, &error), error);
  binding_.Keep(kv);
}

// prepareRows(view, queryLengths, kvLengths, backedLengths, slots or undefined, tables or
// undefined, row stride, stream): for a cache without a C table.
void Plan::PrepareRows(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  CheckIdle(env);
  auto foreign = std::make_unique<ForeignView>(info[0].As<Napi::Object>());
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
  ErrorRecord error;
  Check(env, table_.api->plan_prepare(plan_, &foreign->view(), &batch, StreamOf(info[7]), &error),
        error);
  binding_.Release();
  foreign_ = std::move(foreign);
}

void Plan::ReadArguments(Arguments* arguments) const {
  for (int i = 0; i < kArguments; ++i) {
    arguments->present[i] = ReadTensorRecord(numbers_, i, &arguments->tensors[i]);
  }
  arguments->layer = static_cast<int32_t>(numbers_[kNumbers - 1]);
}

vattn_status Plan::Compute(const Arguments& arguments, vattn_error* error) const {
  const vattn_tensor* const* tensor = arguments.present;
  return table_.api->plan_run(plan_, arguments.layer, tensor[0], tensor[1], tensor[2], tensor[3],
                              tensor[4], error);
}

void Plan::Run(const Napi::CallbackInfo& info) {
  CheckIdle(info.Env());
  Arguments arguments;
  ReadArguments(&arguments);
  ErrorRecord error;
  Check(info.Env(), binding_.Recheck(&error), error);
  Check(info.Env(), Compute(arguments, &error), error);
}

void Plan::Append(const Napi::CallbackInfo& info) {
  CheckIdle(info.Env());
  Arguments arguments;
  ReadArguments(&arguments);
  ErrorRecord error;
  Check(info.Env(), binding_.Recheck(&error), error);
  Check(info.Env(),
        table_.api->plan_append(plan_, arguments.layer, arguments.present[1], arguments.present[2],
                                &error),
        error);
}

Napi::Value Plan::RunAsync(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  CheckIdle(env);
  ReadArguments(&work_);
  work_error_ = {};
  Check(env, binding_.Recheck(&work_error_), work_error_);
  if (thread_ == nullptr) {
    thread_ = std::make_unique<RunThread>(env, [this](Napi::Env of) { Done(of); });
  }
  Check(env, binding_.BeginWork(&work_error_), work_error_);
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
    deferred.Reject(MakeError(env, work_status_, work_error_).Value());
  }
  Unref();
}

Napi::Value Plan::WorkspaceBytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(workspace_bytes_));
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

}  // namespace vattention::node
