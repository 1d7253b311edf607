#include "attention/common/error.h"

#include <cstdarg>
#include <cstdio>

namespace vattention::attention {

namespace {

void Write(vattn_error* error, vattn_status status, const char* call, int64_t code,
           const char* format, va_list arguments) {
  if (error == nullptr || error->size < sizeof(vattn_error)) return;
  error->status = status;
  error->driver_code = code;
  std::snprintf(error->driver_call, sizeof(error->driver_call), "%s", call);
  std::vsnprintf(error->message, sizeof(error->message), format, arguments);
}

}  // namespace

vattn_status Fail(vattn_error* error, vattn_status status, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  Write(error, status, "", 0, format, arguments);
  va_end(arguments);
  return status;
}

vattn_status FailDriver(vattn_error* error, vattn_status status, const char* call, int64_t code,
                        const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  Write(error, status, call, code, format, arguments);
  va_end(arguments);
  return status;
}

}  // namespace vattention::attention
