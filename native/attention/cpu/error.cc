#include "attention/cpu/error.h"

#include <cstdarg>
#include <cstdio>

namespace vattention::cpu {

vattn_status Fail(vattn_error* error, vattn_status status, const char* format, ...) {
  if (error != nullptr && error->size >= sizeof(vattn_error)) {
    error->status = status;
    error->driver_code = 0;
    error->driver_call[0] = '\0';
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(error->message, sizeof(error->message), format, arguments);
    va_end(arguments);
  }
  return status;
}

}  // namespace vattention::cpu
