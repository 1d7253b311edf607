// C ABI errors as JavaScript errors.
//
//   vattention::node::ErrorRecord error;
//   Check(env, api->step(cache, ..., &error), error);   // throws on anything but VATTN_OK
//
// The JavaScript error is a plain Error with `code` (ERR_VATTENTION_...), `status` (vattn_status),
// `driverCall` and `driverCode`; native-error.ts turns it into the interface's classes.
#ifndef VATTENTION_NATIVE_NODE_ERROR_H_
#define VATTENTION_NATIVE_NODE_ERROR_H_

#include <napi.h>

#include <cstdio>
#include <string>

#include "vattention/status.h"

namespace vattention::node {

// A caller-owned error record, ready to be passed to the C ABI.
struct ErrorRecord : vattn_error {
  ErrorRecord() : vattn_error{} { size = sizeof(vattn_error); }
};

// The stable code of a status. VATTN_NO_SLOT is an answer and not an error: callers return
// `undefined` for it before they come here.
inline const char* ErrorCode(int32_t status) {
  switch (status) {
    case VATTN_INVALID_ARGUMENT:
      return "ERR_VATTENTION_INVALID_ARGUMENT";
    case VATTN_UNSUPPORTED:
      return "ERR_VATTENTION_UNSUPPORTED";
    case VATTN_OUT_OF_MEMORY:
      return "ERR_VATTENTION_OUT_OF_MEMORY";
    case VATTN_DEVICE_ERROR:
      return "ERR_VATTENTION_DEVICE";
    case VATTN_STALE_SEQUENCE:
      return "ERR_VATTENTION_STALE_SEQUENCE";
    case VATTN_DISPOSED:
      return "ERR_VATTENTION_DISPOSED";
    case VATTN_NOT_BACKED:
      return "ERR_VATTENTION_INVALID_BATCH";
    case VATTN_BUSY:
      return "ERR_VATTENTION_BUSY";
    default:
      return "ERR_VATTENTION_INTERNAL";
  }
}

// The JavaScript error for `status` with what `error` tells. Usable as a promise's rejection:
// deferred.Reject(MakeError(env, status, error).Value()).
inline Napi::Error MakeError(Napi::Env env, vattn_status status, const vattn_error& error) {
  const std::string message = error.message[0] != '\0'
                                  ? error.message
                                  : "The call failed with status " + std::to_string(status) + ".";
  Napi::Error result = Napi::Error::New(env, message);
  result.Set("code", ErrorCode(status));
  result.Set("status", static_cast<double>(status));
  result.Set("driverCall", std::string(error.driver_call));
  result.Set("driverCode", static_cast<double>(error.driver_code));
  return result;
}

// Throws the JavaScript error unless `status` is VATTN_OK.
inline void Check(Napi::Env env, vattn_status status, const vattn_error& error) {
  if (status != VATTN_OK) throw MakeError(env, status, error);
}

// Throws ERR_VATTENTION_INVALID_ARGUMENT with `message`: for arguments that slipped past the
// validation in TypeScript.
[[noreturn]] inline void ThrowInvalidArgument(Napi::Env env, const std::string& message) {
  ErrorRecord error;
  std::snprintf(error.message, sizeof(error.message), "%s", message.c_str());
  throw MakeError(env, VATTN_INVALID_ARGUMENT, error);
}

}  // namespace vattention::node

#endif  // VATTENTION_NATIVE_NODE_ERROR_H_
