// What stops a measurement, in words.
#ifndef VATTENTION_BENCH_NATIVE_FAILURE_H_
#define VATTENTION_BENCH_NATIVE_FAILURE_H_

#include <stdexcept>
#include <string>

#include "vattention/status.h"

namespace vattention::bench {

class Failure : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The record that calls of the C ABI fill.
struct Error : vattn_error {
  Error() : vattn_error{} { size = sizeof(vattn_error); }

  // Throws Failure unless `outcome` is VATTN_OK.
  void Check(vattn_status outcome, const char* call) const {
    if (outcome != VATTN_OK) {
      throw Failure(std::string(call) + " failed (" + std::to_string(outcome) + "): " + message);
    }
  }
};

}  // namespace vattention::bench

#endif  // VATTENTION_BENCH_NATIVE_FAILURE_H_
