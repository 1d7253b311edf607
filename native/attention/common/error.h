// Filling the error record of the C ABI.
#ifndef VATTENTION_ATTENTION_COMMON_ERROR_H_
#define VATTENTION_ATTENTION_COMMON_ERROR_H_

#include <cstdint>

#include "vattention/status.h"

namespace vattention::attention {

// Writes `status` and the formatted message to `error`, when there is one, and returns `status`.
// The message says what was expected, what was received and what to do.
[[gnu::format(printf, 3, 4)]] vattn_status Fail(vattn_error* error, vattn_status status,
                                                const char* format, ...);

// The same for a failed call of a driver: its name and code are kept beside the message.
[[gnu::format(printf, 5, 6)]] vattn_status FailDriver(vattn_error* error, vattn_status status,
                                                      const char* call, int64_t code,
                                                      const char* format, ...);

}  // namespace vattention::attention

#endif  // VATTENTION_ATTENTION_COMMON_ERROR_H_
