// What the C ABI and CUDA report, as exceptions. No exception crosses the ABI; within one's own
// program they may be.
#ifndef OWN_ENGINE_FAILURE_H_
#define OWN_ENGINE_FAILURE_H_

#include <cuda_runtime_api.h>

#include <stdexcept>
#include <string>

#include "vattention/status.h"

namespace own_engine {

// A call of the C ABI that failed. `status` is for programs, `what()` for people: it says what was
// expected, what was found, and what to do.
class Failure : public std::runtime_error {
 public:
  Failure(vattn_status status, const std::string& text)
      : std::runtime_error(text), status_(status) {}
  vattn_status status() const { return status_; }

 private:
  vattn_status status_;
};

// The record that a call fills: the caller owns it, and says how large it is.
struct Error : vattn_error {
  Error() : vattn_error{} { size = sizeof(vattn_error); }

  // Throws Failure unless `outcome` is VATTN_OK.
  void Check(vattn_status outcome, const char* call) const {
    if (outcome == VATTN_OK) return;
    std::string text = std::string(call) + ": " + message;
    if (driver_call[0] != '\0') {
      text += std::string(" (") + driver_call + " answered " + std::to_string(driver_code) + ")";
    }
    throw Failure(outcome, text);
  }
};

inline void CheckCuda(cudaError_t code, const char* call) {
  if (code == cudaSuccess) return;
  throw std::runtime_error(std::string(call) + ": " + cudaGetErrorString(code));
}

}  // namespace own_engine

#endif  // OWN_ENGINE_FAILURE_H_
