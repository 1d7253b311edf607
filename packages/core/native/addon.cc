// The addon of @vattention/core: src/addon.ts describes what it exports.
#include <napi.h>

#include "cache.h"
#include "environment.h"
#include "fence.h"
#include "memory.h"
#include "node/identity.h"
#include "tensor_access.h"
#include "timeline.h"

namespace vattention::core {

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto* environment = new Environment(env);
  env.SetInstanceData(environment);
  environment->fence = Napi::Persistent(Fence::Define(env));
  exports.Set("Cache", Cache::Define(env));
  exports.Set("Memory", Memory::Define(env));
  exports.Set("Timeline", Timeline::Define(env));
  exports.Set("geometry", Napi::Function::New<&Geometry>(env));
  exports.Set("readTensor", Napi::Function::New<&ReadTensor>(env));
  exports.Set("writeTensor", Napi::Function::New<&WriteTensor>(env));
  return exports;
}

}  // namespace vattention::core

VATTN_ADDON(::vattention::core::Init)
