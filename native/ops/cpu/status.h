// What went wrong, inside this library: a status of the C ABI with its message.
#ifndef VATTENTION_OPS_CPU_STATUS_H_
#define VATTENTION_OPS_CPU_STATUS_H_

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

#include "vattention/status.h"

namespace vattention::ops {

struct [[nodiscard]] Status {
  vattn_status code = VATTN_OK;
  std::string message = {};  // expected, received, what to do
  std::string call = {};     // the system call that failed, "pread"; empty when none did
  int64_t call_code = 0;     // its errno

  bool ok() const { return code == VATTN_OK; }
};

// A failed Status with a formatted message.
[[gnu::format(printf, 2, 3)]] Status Error(vattn_status code, const char* format, ...);

// The Status of a failed call through the C ABI.
inline Status FromRecord(vattn_status code, const vattn_error& error) {
  return {code, error.message, error.driver_call, error.driver_code};
}

// A broken invariant: our bug. Thrown by VATTN_CHECK, caught where the C ABI or Node-API begins.
struct InternalError : std::logic_error {
  using std::logic_error::logic_error;
};

}  // namespace vattention::ops

#define VATTN_OPS_STRINGIFY_(x) #x
#define VATTN_OPS_STRINGIFY(x) VATTN_OPS_STRINGIFY_(x)
// Always on: for what would corrupt memory. Never inside a parallel region, where nothing catches.
#define VATTN_CHECK(condition)                                                           \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      throw ::vattention::ops::InternalError(                                            \
          __FILE__ ":" VATTN_OPS_STRINGIFY(__LINE__) ": broken invariant: " #condition); \
    }                                                                                    \
  } while (false)

#define VATTN_RETURN_IF_ERROR(expression)                                                \
  do {                                                                                   \
    if (::vattention::ops::Status status_ = (expression); !status_.ok()) return status_; \
  } while (false)

#endif  // VATTENTION_OPS_CPU_STATUS_H_
