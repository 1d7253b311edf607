// Statuses of native/ops/cpu as JavaScript errors.
#ifndef VATTENTION_ENGINE_ADDON_STATUS_ERROR_H_
#define VATTENTION_ENGINE_ADDON_STATUS_ERROR_H_

#include <napi.h>

#include <cstdio>

#include "node/error.h"
#include "ops/cpu/status.h"

namespace vattention::engine_addon {

inline Napi::Error MakeError(Napi::Env env, const ops::Status& status) {
  node::ErrorRecord error;
  std::snprintf(error.message, sizeof(error.message), "%s", status.message.c_str());
  std::snprintf(error.driver_call, sizeof(error.driver_call), "%s", status.call.c_str());
  error.driver_code = status.call_code;
  return node::MakeError(env, status.code, error);
}

inline void Check(Napi::Env env, const ops::Status& status) {
  if (!status.ok()) throw MakeError(env, status);
}

inline ops::Status Disposed(const char* what) {
  return ops::Error(VATTN_DISPOSED, "The %s was disposed and cannot be used any more.", what);
}

}  // namespace vattention::engine_addon

#endif  // VATTENTION_ENGINE_ADDON_STATUS_ERROR_H_
