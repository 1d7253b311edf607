// What every addon says about itself; load-addon.ts refuses one of another version.
//
//   static Napi::Object Init(Napi::Env env, Napi::Object exports) { ...; return exports; }
//   VATTN_ADDON(Init)
#ifndef VATTENTION_NATIVE_NODE_IDENTITY_H_
#define VATTENTION_NATIVE_NODE_IDENTITY_H_

#include <napi.h>

#include "vattention/status.h"

namespace vattention::node {

// Exports `version`, the version of the package that the addon was built for, and `abiVersion`.
inline void ExportIdentity(Napi::Object exports) {
  exports.Set("version", VATTN_PACKAGE_VERSION);
  exports.Set("abiVersion", static_cast<double>(VATTN_ABI_VERSION));
}

}  // namespace vattention::node

// The entry point of an addon: `init` fills the exports. May run once in every worker thread.
#define VATTN_ADDON(init)                                                   \
  static Napi::Object VattnAddonInit(Napi::Env env, Napi::Object exports) { \
    ::vattention::node::ExportIdentity(exports);                            \
    return init(env, exports);                                              \
  }                                                                         \
  NODE_API_MODULE(addon, VattnAddonInit)

#endif  // VATTENTION_NATIVE_NODE_IDENTITY_H_
