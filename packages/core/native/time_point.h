// `TimePoint` in JavaScript: a point in a stream's order whose time the GPU notes.
#ifndef VATTENTION_CORE_TIME_POINT_H_
#define VATTENTION_CORE_TIME_POINT_H_

#include <napi.h>

#include <memory>

#include "memory/cuda_context.h"

namespace vattention::core {

class TimePoint : public Napi::ObjectWrap<TimePoint> {
 public:
  static Napi::Function Define(Napi::Env env);
  // (deviceType, deviceIndex, handle): records it. VATTN_BUSY while the stream is being captured.
  explicit TimePoint(const Napi::CallbackInfo& info);
  ~TimePoint() override { Destroy(); }

 private:
  // (earlier): VATTN_BUSY while one of the two has not passed.
  Napi::Value MillisecondsSince(const Napi::CallbackInfo& info);
  void Release(const Napi::CallbackInfo&) { Destroy(); }
  void Destroy();

  std::shared_ptr<CudaContext> context_;  // nullptr: released
  cuda::Event event_ = nullptr;
};

}  // namespace vattention::core

#endif  // VATTENTION_CORE_TIME_POINT_H_
