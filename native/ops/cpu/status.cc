#include "ops/cpu/status.h"

#include <cstdarg>
#include <cstdio>

namespace vattention::ops {

Status Error(vattn_status code, const char* format, ...) {
  char text[sizeof(vattn_error::message)];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  Status status{code};
  status.message = text;
  return status;
}

}  // namespace vattention::ops
