// Attention in plain float64 loops, and how close a result must come to it.
#ifndef VATTENTION_NATIVE_TESTS_ATTENTION_CPU_REFERENCE_H_
#define VATTENTION_NATIVE_TESTS_ATTENTION_CPU_REFERENCE_H_

#include "tests/attention_cpu_fixture.h"

namespace vattention::testing {

// Attention of all rows of a pass in float64, from the contents as the cache's dtype rounds them.
Result Reference(const Setup& setup, const std::vector<Part>& parts);

// Largest difference of outputs, relative to 1 for small ones; LSE are compared with `lse` bound.
void CheckClose(const Setup& setup, const Result& result, const Result& reference);

}  // namespace vattention::testing

#endif  // VATTENTION_NATIVE_TESTS_ATTENTION_CPU_REFERENCE_H_
