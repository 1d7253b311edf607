#include "time_point.h"

#include <utility>

#include "environment.h"
#include "stream_argument.h"

namespace vattention::core {

Napi::Function TimePoint::Define(Napi::Env env) {
  return DefineClass(env, "TimePoint",
                     {InstanceMethod<&TimePoint::MillisecondsSince>("millisecondsSince"),
                      InstanceMethod<&TimePoint::Release>("release")});
}

TimePoint::TimePoint(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TimePoint>(info) {
  const vattn_stream stream = ReadStream(info);
  const auto device = Environment::Of(info.Env()).devices.Get(info.Env(), stream.device_index);
  context_ = device->context();
  const CudaContext::Scope scope(*context_);
  const cuda::Api& api = context_->api();
  DriverStatus status{VATTN_BUSY, "cuStreamIsCapturing", 0};
  if (!context_->IsCapturing(cuda::StreamOf(stream))) {
    status = cuda::Check("cuEventCreate", api.event_create(&event_, cuda::kEventWithTiming));
    if (status.ok()) {
      status = cuda::Check("cuEventRecord", api.event_record(event_, cuda::StreamOf(stream)));
    }
  }
  if (!status.ok()) Destroy();
  CheckDriver(info.Env(), status, "recording a point in time");
}

Napi::Value TimePoint::MillisecondsSince(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const TimePoint* earlier = Unwrap(info[0].As<Napi::Object>());
  const CudaContext::Scope scope(*context_);
  float milliseconds = 0;
  const cuda::Result result =
      context_->api().event_elapsed_time(&milliseconds, earlier->event_, event_);
  const DriverStatus status = result == cuda::kNotReady
                                  ? DriverStatus{VATTN_BUSY, "cuEventElapsedTime", result}
                                  : cuda::Check("cuEventElapsedTime", result);
  CheckDriver(env, status, "reading the time between two points of a stream");
  return Napi::Number::New(env, milliseconds);
}

void TimePoint::Destroy() {
  const auto context = std::exchange(context_, nullptr);
  if (context == nullptr) return;
  const CudaContext::Scope scope(*context);
  if (event_ != nullptr) context->api().event_destroy(event_);
}

}  // namespace vattention::core
