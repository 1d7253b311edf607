// NativeModel of src/native.ts over ops::LlamaModel.
#ifndef VATTENTION_ENGINE_ADDON_MODEL_H_
#define VATTENTION_ENGINE_ADDON_MODEL_H_

#include <napi.h>

#include <cstdint>
#include <memory>

#include "ops/cpu/llama_model.h"

namespace vattention::engine_addon {

class Model : public Napi::ObjectWrap<Model> {
 public:
  static Napi::Function Define(Napi::Env env);
  // new Model(config: NativeModelConfig)
  explicit Model(const Napi::CallbackInfo& info);
  ~Model() override;

  // The weights of the Model that `value` is. Throws for anything else and for a disposed one.
  static std::shared_ptr<const ops::LlamaModel> WeightsOf(const Napi::Value& value);

 private:
  Napi::Value Load(const Napi::CallbackInfo& info);
  void Set(const Napi::CallbackInfo& info);
  Napi::Value Fill(const Napi::CallbackInfo& info);
  Napi::Value Finish(const Napi::CallbackInfo& info);
  Napi::Value Bytes(const Napi::CallbackInfo& info);
  Napi::Value Weights(const Napi::CallbackInfo& info);
  void Dispose(const Napi::CallbackInfo& info);

  void CheckLive(Napi::Env env) const;
  // Tells V8 what the weights hold by now.
  void ReportMemory(Napi::Env env);
  Napi::Promise Start(Napi::Env env, std::function<ops::Status()> work);

  std::shared_ptr<ops::LlamaModel> model_;  // null once disposed
  ops::Precision precision_;
  int64_t reported_bytes_ = 0;
};

}  // namespace vattention::engine_addon

#endif  // VATTENTION_ENGINE_ADDON_MODEL_H_
