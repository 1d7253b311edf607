#include "stream_gate.h"

#include <chrono>
#include <thread>
#include <utility>

#include "environment.h"
#include "memory/status.h"
#include "node/args.h"
#include "stream.h"

namespace vattention::core {
namespace {

constexpr std::chrono::microseconds kPause{10};

}  // namespace

Napi::Function StreamGate::Define(Napi::Env env) {
  return DefineClass(env, "StreamGate",
                     {InstanceMethod<&StreamGate::Submit>("submit"),
                      InstanceMethod<&StreamGate::Complete>("complete"),
                      InstanceMethod<&StreamGate::Release>("release")});
}

StreamGate::StreamGate(const Napi::CallbackInfo& info) : Napi::ObjectWrap<StreamGate>(info) {
  auto stream = Stream::OfArgument(info[0]);
  if (stream->device().api().stream_wait_value == nullptr) {
    node::ErrorRecord error;
    const Status status = Status::Error(
        VATTN_UNSUPPORTED, "This CUDA driver is too old for streams that wait for memory.");
    throw node::MakeError(info.Env(), Report(status, &error), error);
  }
  void* memory = nullptr;
  CheckDriver(info.Env(), stream->device().AllocatePinned(sizeof(uint32_t), &memory),
              "making a stream that can be held");
  reached_ = static_cast<uint32_t*>(memory);
  stream_ = std::move(stream);
}

Napi::Value StreamGate::Submit(const Napi::CallbackInfo& info) {
  const CudaContext::Scope scope(*stream_->device().context());
  std::unique_ptr<CudaEvent> before;
  CheckDriver(info.Env(),
              CudaEvent::Record(stream_->device().context(), stream_->handle(), &before),
              "holding a stream");
  const uint32_t number = submitted_ + 1;
  CheckDriver(info.Env(),
              cuda::Check("cuStreamWaitValue32",
                          stream_->device().api().stream_wait_value(
                              stream_->handle(), reinterpret_cast<uintptr_t>(reached_), number,
                              cuda::kWaitGreaterOrEqual)),
              "holding a stream");
  submitted_ = number;
  before_[number] = std::move(before);
  return Napi::Number::New(info.Env(), number);
}

void StreamGate::Complete(const Napi::CallbackInfo& info) {
  CheckDriver(info.Env(), Pass(node::Integer<uint32_t>(info[0])), "letting a stream go on");
}

DriverStatus StreamGate::Pass(uint32_t number) {
  if (__atomic_load_n(reached_, __ATOMIC_ACQUIRE) >= number) return {};
  __atomic_store_n(reached_, number, __ATOMIC_RELEASE);
  before_.erase(before_.begin(), before_.upper_bound(number));
  std::unique_ptr<CudaEvent> now;
  CudaEvent* passed = before_.empty() ? nullptr : before_.begin()->second.get();
  if (passed == nullptr) {
    DriverStatus status = CudaEvent::Record(stream_->device().context(), stream_->handle(), &now);
    if (!status.ok()) return status;
    passed = now.get();
  }
  while (!passed->Done()) std::this_thread::sleep_for(kPause);
  return {};
}

void StreamGate::Open() {
  const auto stream = stream_;
  if (stream == nullptr) return;
  Pass(submitted_);
  before_.clear();
  stream_.reset();
  stream->device().FreePinned(reached_);
}

}  // namespace vattention::core
