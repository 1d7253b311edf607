// `Stream` in JavaScript: a stream of a GPU that was made here.
#ifndef VATTENTION_CORE_STREAM_H_
#define VATTENTION_CORE_STREAM_H_

#include <napi.h>

#include <memory>

#include "cuda_device.h"

namespace vattention::core {

class Stream : public Napi::ObjectWrap<Stream> {
 public:
  static Napi::Function Define(Napi::Env env);
  // (device index, urgent)
  explicit Stream(const Napi::CallbackInfo& info);

  static std::shared_ptr<CudaStream> OfArgument(const Napi::Value& value);

 private:
  Napi::Value GetHandle(const Napi::CallbackInfo& info);
  void Release(const Napi::CallbackInfo& info);

  std::shared_ptr<CudaStream> stream_;  // nullptr: released
};

}  // namespace vattention::core

#endif  // VATTENTION_CORE_STREAM_H_
