#include "runner.h"

#include <utility>

#include "forward_values.h"
#include "model.h"
#include "node/args.h"
#include "node/tags.h"
#include "status_error.h"

namespace vattention::engine_addon {

namespace {

using node::IntegerProperty;
using node::NumberProperty;

}  // namespace

Napi::Function Runner::Define(Napi::Env env) {
  return DefineClass(
      env, "NativeRunner",
      {InstanceMethod<&Runner::Forward>("forward"), InstanceMethod<&Runner::Dispose>("dispose"),
       InstanceAccessor<&Runner::WorkspaceBytes>("workspaceBytes")});
}

Runner::Runner(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Runner>(info) {
  const Napi::Env env = info.Env();
  const auto object = info[0].As<Napi::Object>();
  ops::PassOptions options;
  options.threads = IntegerProperty<int32_t>(object, "threads");
  options.max_sequences = IntegerProperty<int32_t>(object, "maxSequences");
  options.max_tokens = IntegerProperty<int32_t>(object, "maxTokens");
  options.max_length = IntegerProperty<int64_t>(object, "maxLength");
  options.window = IntegerProperty<int32_t>(object, "window");
  options.soft_cap = static_cast<float>(NumberProperty(object, "softCap"));
  std::unique_ptr<ops::LlamaRunner> runner;
  Check(env, ops::LlamaRunner::Create(
                 Model::WeightsOf(object.Get("model")), node::UnwrapCache(object.Get("cache")),
                 node::UnwrapBackend(object.Get("backend")), options, &runner));

  const napi_value name = Napi::String::New(env, "vattention runner");
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this,
                                      &Runner::OnDone, &back_) != napi_ok) {
    throw Napi::Error::New(env, "No thread-safe function could be made.");
  }
  napi_unref_threadsafe_function(env, back_);
  // Hooks run in reverse order, so the runner ends before the function it calls does.
  napi_add_env_cleanup_hook(env, &Runner::OnEnvironmentEnd, this);
  runner_ = std::move(runner);
  workspace_bytes_ = static_cast<int64_t>(runner_->workspace_bytes());
  Napi::MemoryManagement::AdjustExternalMemory(env, workspace_bytes_);
}

Runner::~Runner() {
  if (back_ == nullptr) return;  // it was never made, or the environment has ended
  Close();
  napi_remove_env_cleanup_hook(Env(), &Runner::OnEnvironmentEnd, this);
  napi_release_threadsafe_function(back_, napi_tsfn_abort);
}

void Runner::OnEnvironmentEnd(void* self) {
  auto* runner = static_cast<Runner*>(self);
  runner->Close();
  runner->back_ = nullptr;
}

void Runner::Close() {
  if (!runner_) return;
  runner_.reset();
  Napi::MemoryManagement::AdjustExternalMemory(Env(), -workspace_bytes_);
}

ops::Status Runner::Submit(ops::ForwardBatch batch) {
  if (!runner_) return Disposed("runner");
  return runner_->Submit(std::move(batch), [this](ops::Status status, ops::ForwardResult result) {
    status_ = std::move(status);
    result_ = std::move(result);
    napi_call_threadsafe_function(back_, nullptr, napi_tsfn_nonblocking);
  });
}

Napi::Value Runner::Forward(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto deferred = Napi::Promise::Deferred::New(env);
  // The runner is free again a moment before JavaScript hears that its pass ended.
  const ops::Status status =
      pending_
          ? ops::Error(VATTN_BUSY, "A pass is in flight. Await forward() before calling it again.")
          : Submit(ReadBatch(info[0].As<Napi::Object>()));
  if (status.ok()) {
    pending_ = deferred;
    Ref();
    napi_ref_threadsafe_function(env, back_);
  } else {
    deferred.Reject(MakeError(env, status).Value());
  }
  return deferred.Promise();
}

void Runner::OnDone(napi_env env, napi_value, void* self, void*) {
  if (env == nullptr) return;  // the environment ends
  auto* runner = static_cast<Runner*>(self);
  const Napi::HandleScope scope(env);
  napi_unref_threadsafe_function(env, runner->back_);
  const Napi::Promise::Deferred deferred = *std::exchange(runner->pending_, std::nullopt);
  if (runner->status_.ok()) {
    deferred.Resolve(WriteResult(env, runner->result_));
  } else {
    deferred.Reject(MakeError(env, runner->status_).Value());
  }
  runner->Unref();
}

Napi::Value Runner::WorkspaceBytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), runner_ ? static_cast<double>(workspace_bytes_) : 0.0);
}

void Runner::Dispose(const Napi::CallbackInfo&) { Close(); }

}  // namespace vattention::engine_addon
