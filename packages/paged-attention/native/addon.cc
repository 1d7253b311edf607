// The addon of @vattention/paged-attention: src/addon.ts describes what it exports.
#include <napi.h>

#include "cache.h"
#include "fence.h"
#include "node/identity.h"
#include "options.h"

namespace vattention::paged_attention {

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("Cache", Cache::Define(env));
  exports.Set("geometry", Napi::Function::New<&Geometry>(env));
  exports.Set("fenceDone", Napi::Function::New<&FenceDone>(env));
  return exports;
}

}  // namespace vattention::paged_attention

VATTN_ADDON(::vattention::paged_attention::Init)
