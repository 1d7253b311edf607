// NativeRunner of src/native.ts over ops::LlamaRunner.
#ifndef VATTENTION_ENGINE_ADDON_RUNNER_H_
#define VATTENTION_ENGINE_ADDON_RUNNER_H_

#include <napi.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "ops/cpu/llama_runner.h"

namespace vattention::engine_addon {

class Runner : public Napi::ObjectWrap<Runner> {
 public:
  static Napi::Function Define(Napi::Env env);
  // new Runner(options: NativeRunnerOptions)
  explicit Runner(const Napi::CallbackInfo& info);
  ~Runner() override;

 private:
  Napi::Value Forward(const Napi::CallbackInfo& info);
  Napi::Value WorkspaceBytes(const Napi::CallbackInfo& info);
  void Dispose(const Napi::CallbackInfo& info);

  ops::Status Submit(ops::ForwardBatch batch);
  // Ends the runner, waiting for a pass in flight.
  void Close();
  static void OnEnvironmentEnd(void* self);
  static void OnDone(napi_env env, napi_value function, void* self, void* data);

  std::unique_ptr<ops::LlamaRunner> runner_;  // null once disposed
  int64_t workspace_bytes_ = 0;
  // Brings the end of a pass to the JavaScript thread; keeps the event loop alive meanwhile.
  napi_threadsafe_function back_ = nullptr;
  // The pass in flight. The outcome is written by the runner's thread before it calls back_.
  std::optional<Napi::Promise::Deferred> pending_;
  ops::Status status_;
  ops::ForwardResult result_;
};

}  // namespace vattention::engine_addon

#endif  // VATTENTION_ENGINE_ADDON_RUNNER_H_
