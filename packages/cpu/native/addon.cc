// The addon of @vattention/cpu: src/addon.ts describes what it exports.
#include <napi.h>

#include "attention/cpu/cpu_backend.h"
#include "node/attention/backend_addon.h"
#include "node/identity.h"

namespace vattention::cpu_addon {

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  static const node::BackendTable kTable = {vattn_cpu_backend(), VATTN_DEVICE_CPU};
  node::ExportBackend(env, exports, kTable);
  exports.Set("target", vattn_cpu_target());
  return exports;
}

}  // namespace vattention::cpu_addon

VATTN_ADDON(::vattention::cpu_addon::Init)
