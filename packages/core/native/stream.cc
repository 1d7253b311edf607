#include "stream.h"

#include "environment.h"
#include "node/args.h"

namespace vattention::core {

Napi::Function Stream::Define(Napi::Env env) {
  return DefineClass(env, "Stream",
                     {InstanceAccessor<&Stream::GetHandle>("handle"),
                      InstanceMethod<&Stream::Release>("release")});
}

Stream::Stream(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<Stream>(info),
      stream_(Environment::Of(info.Env())
                  .devices.MakeStream(info.Env(), node::Integer<int>(info[0]),
                                      info[1].As<Napi::Boolean>())) {}

std::shared_ptr<CudaStream> Stream::OfArgument(const Napi::Value& value) {
  return Unwrap(value.As<Napi::Object>())->stream_;
}

Napi::Value Stream::GetHandle(const Napi::CallbackInfo& info) {
  return Napi::BigInt::New(info.Env(),
                           static_cast<uint64_t>(reinterpret_cast<uintptr_t>(stream_->handle())));
}

void Stream::Release(const Napi::CallbackInfo& info) {
  if (stream_ == nullptr) return;
  if (stream_->device().IsCapturing(stream_->handle())) {
    CheckDriver(info.Env(), {VATTN_BUSY, "", 0}, "disposing a stream");
  }
  stream_.reset();
}

}  // namespace vattention::core
