// Nothing thrown passes a C table.
#ifndef VATTENTION_ATTENTION_COMMON_GUARD_H_
#define VATTENTION_ATTENTION_COMMON_GUARD_H_

#include <new>
#include <system_error>

#include "attention/common/error.h"

namespace vattention::attention {

// What `call` returns, or what it throws as an error of the C ABI.
template <typename Call>
vattn_status Guard(vattn_error* error, Call&& call) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return Fail(error, VATTN_OUT_OF_MEMORY,
                "There is no memory for the plan's buffers. Lower its limits.");
  } catch (const std::system_error& failure) {
    return FailDriver(error, VATTN_DEVICE_ERROR, "pthread_create", failure.code().value(),
                      "A thread could not be started: %s. Ask for fewer threads.", failure.what());
  } catch (const std::exception& failure) {
    return Fail(error, VATTN_INTERNAL, "%s", failure.what());
  }
}

}  // namespace vattention::attention

#endif  // VATTENTION_ATTENTION_COMMON_GUARD_H_
