// `StreamGate` in JavaScript: work on a stream that ends when its owner says so. The stream waits
// for a number in memory of the host.
#ifndef VATTENTION_CORE_STREAM_GATE_H_
#define VATTENTION_CORE_STREAM_GATE_H_

#include <napi.h>

#include <cstdint>
#include <map>
#include <memory>

#include "cuda_device.h"

namespace vattention::core {

class StreamGate : public Napi::ObjectWrap<StreamGate> {
 public:
  static Napi::Function Define(Napi::Env env);
  // (stream): VATTN_UNSUPPORTED when the driver lets no stream wait for memory.
  explicit StreamGate(const Napi::CallbackInfo& info);
  ~StreamGate() override { Open(); }

 private:
  // Puts one more piece of work on the stream and returns its number.
  Napi::Value Submit(const Napi::CallbackInfo& info);
  // (number): all work up to it ends; returns when the stream has passed what was given to it
  // before the work after that.
  void Complete(const Napi::CallbackInfo& info);
  void Release(const Napi::CallbackInfo&) { Open(); }
  // For good: all work ends.
  void Open();
  DriverStatus Pass(uint32_t number);

  std::shared_ptr<CudaStream> stream_;  // nullptr: released
  uint32_t* reached_ = nullptr;         // pinned: what the stream looks at
  uint32_t submitted_ = 0;
  std::map<uint32_t, std::unique_ptr<CudaEvent>> before_;  // by number: right before that work
};

}  // namespace vattention::core

#endif  // VATTENTION_CORE_STREAM_GATE_H_
