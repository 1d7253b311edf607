// `Graph` in JavaScript: what a stream was given while it was captured, to be given again and
// again.
#ifndef VATTENTION_CORE_GRAPH_H_
#define VATTENTION_CORE_GRAPH_H_

#include <napi.h>

#include <memory>

#include "cuda_device.h"

namespace vattention::core {

class Graph : public Napi::ObjectWrap<Graph> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit Graph(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Graph>(info) {}
  ~Graph() override { Destroy(); }

  // The addon's `beginCapture` and `endCapture`: see src/addon.ts.
  static void Begin(const Napi::CallbackInfo& info);
  static Napi::Value End(const Napi::CallbackInfo& info);

 private:
  void Launch(const Napi::CallbackInfo& info);
  void Release(const Napi::CallbackInfo&) { Destroy(); }
  void Destroy();

  std::shared_ptr<CudaDevice> device_;  // nullptr: released
  cuda::GraphExec exec_ = nullptr;
};

}  // namespace vattention::core

#endif  // VATTENTION_CORE_GRAPH_H_
