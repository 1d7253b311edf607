// The addon of @vattention/engine: src/native.ts describes what it exports.
#include <napi.h>

#include <cstdint>
#include <memory>

#include "background.h"
#include "model.h"
#include "node/args.h"
#include "node/identity.h"
#include "ops/cpu/bandwidth.h"
#include "ops/cpu/onednn_matmul.h"
#include "runner.h"

namespace vattention::engine_addon {

// One per environment: any number of workers may load the addon.
struct Classes {
  Napi::FunctionReference model;
  Napi::FunctionReference runner;
};

static Napi::Value Probe(const Napi::CallbackInfo& info) {
  auto result = Napi::Object::New(info.Env());
  result.Set("bfloat16", ops::OneDnnHasBfloat16());
  result.Set("isa", ops::OneDnnIsa());
  result.Set("oneDnn", ops::OneDnnVersion());
  result.Set("cores", static_cast<double>(ops::AvailableCores()));
  return result;
}

static Napi::Value CreateModel(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<Classes>()->model.New({info[0]});
}

static Napi::Value CreateRunner(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<Classes>()->runner.New({info[0]});
}

static Napi::Value MeasureReadBandwidth(const Napi::CallbackInfo& info) {
  const auto found = std::make_shared<double>(0);
  return Background::Start(
      info.Env(),
      [found, bytes = node::Integer<uint64_t>(info[0]), threads = node::Integer<int>(info[1])] {
        return ops::MeasureReadBandwidth(bytes, threads, found.get());
      },
      [found](Napi::Env env) { return Napi::Number::New(env, *found); });
}

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto* classes =
      new Classes{Napi::Persistent(Model::Define(env)), Napi::Persistent(Runner::Define(env))};
  env.SetInstanceData(classes);
  exports.Set("probe", Napi::Function::New<&Probe>(env));
  exports.Set("createModel", Napi::Function::New<&CreateModel>(env));
  exports.Set("createRunner", Napi::Function::New<&CreateRunner>(env));
  exports.Set("measureReadBandwidth", Napi::Function::New<&MeasureReadBandwidth>(env));
  return exports;
}

}  // namespace vattention::engine_addon

VATTN_ADDON(::vattention::engine_addon::Init)
