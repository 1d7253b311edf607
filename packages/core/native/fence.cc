#include "fence.h"

#include "environment.h"
#include "node/error.h"

namespace vattention::core {

Napi::Function Fence::Define(Napi::Env env) {
  return DefineClass(env, "Fence",
                     {InstanceMethod<&Fence::Done>("done"), InstanceMethod<&Fence::Wait>("wait"),
                      InstanceMethod<&Fence::Release>("release")});
}

Napi::Object Fence::Make(Napi::Env env, std::shared_ptr<const SharedFence> fence) {
  const Napi::Object object = Environment::Of(env).fence.New({});
  Unwrap(object)->fence_ = std::move(fence);
  return object;
}

vattn_fence* Fence::OfArgument(const Napi::Value& value) {
  if (value.IsUndefined()) return nullptr;
  return Unwrap(value.As<Napi::Object>())->Live(value.Env()).fence;
}

Fence::Fence(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Fence>(info) {}

Napi::Value Fence::Done(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), Live(info.Env()).Done());
}

Napi::Value Fence::Wait(const Napi::CallbackInfo& info) {
  Live(info.Env());
  return Environment::Of(info.Env()).watcher->Watch(info.Env(), fence_);
}

void Fence::Release(const Napi::CallbackInfo&) { fence_.reset(); }

const SharedFence& Fence::Live(Napi::Env env) const {
  if (fence_ == nullptr) node::ThrowInvalidArgument(env, "The fence was released.");
  return *fence_;
}

}  // namespace vattention::core
