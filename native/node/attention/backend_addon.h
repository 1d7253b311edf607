// What the addon of an attention backend exports, whichever backend it is: `backend` (the external
// of its C table), `Plan` and `merge`. attention/backend-addon.ts describes them.
//
//   static const node::BackendTable kTable = {vattn_cpu_backend(), VATTN_DEVICE_CPU};
//   node::ExportBackend(env, exports, kTable);
#ifndef VATTENTION_NATIVE_NODE_ATTENTION_BACKEND_ADDON_H_
#define VATTENTION_NATIVE_NODE_ATTENTION_BACKEND_ADDON_H_

#include <napi.h>

#include "node/attention/merge.h"
#include "node/attention/plan.h"
#include "node/attention/table.h"
#include "node/tags.h"

namespace vattention::node {

// `table` lives for ever.
inline void ExportBackend(Napi::Env env, Napi::Object exports, const BackendTable& table) {
  exports.Set("backend", WrapBackend(env, table.api));
  exports.Set("Plan", Plan::Define(env, table));
  exports.Set("merge",
              Napi::Function::New<&Merge>(env, "merge", const_cast<BackendTable*>(&table)));
}

}  // namespace vattention::node

#endif  // VATTENTION_NATIVE_NODE_ATTENTION_BACKEND_ADDON_H_
