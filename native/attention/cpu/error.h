// Filling the error record of the C ABI.
#ifndef VATTENTION_ATTENTION_CPU_ERROR_H_
#define VATTENTION_ATTENTION_CPU_ERROR_H_

#include "vattention/status.h"

namespace vattention::cpu {

// Writes `status` and the formatted message to `error`, when there is one, and returns `status`.
// The message says what was expected, what was received and what to do.
[[gnu::format(printf, 3, 4)]] vattn_status Fail(vattn_error* error, vattn_status status,
                                                const char* format, ...);

}  // namespace vattention::cpu

#endif  // VATTENTION_ATTENTION_CPU_ERROR_H_
