// The addon of @vattention/cpu: src/addon.ts describes what it exports.
#include <napi.h>

#include "attention/cpu/cpu_backend.h"
#include "merge.h"
#include "node/identity.h"
#include "node/tags.h"
#include "plan.h"

namespace vattention::cpu_addon {

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("backend", node::WrapBackend(env, vattn_cpu_backend()));
  exports.Set("target", vattn_cpu_target());
  exports.Set("Plan", Plan::Define(env));
  exports.Set("merge", Napi::Function::New<&Merge>(env));
  return exports;
}

}  // namespace vattention::cpu_addon

VATTN_ADDON(::vattention::cpu_addon::Init)
