// Runs a test once per instruction set that this machine and the build have.
#ifndef VATTENTION_NATIVE_TESTS_ATTENTION_CPU_TARGETS_H_
#define VATTENTION_NATIVE_TESTS_ATTENTION_CPU_TARGETS_H_

#include <string>

#include "attention/cpu/targets.h"
// After targets.h:
#include "hwy/highway.h"
#include "tests/check.h"

namespace vattention::testing {

template <typename Test>
void ForEachTarget(Test&& test) {
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::GetChosenTarget().Update(target);
    std::string problem;
    try {
      test();
    } catch (const CheckFailure& failure) {
      problem = failure.text;
    }
    hwy::GetChosenTarget().DeInit();
    if (!problem.empty()) throw CheckFailure{std::string(hwy::TargetName(target)) + ": " + problem};
  }
}

}  // namespace vattention::testing

#endif  // VATTENTION_NATIVE_TESTS_ATTENTION_CPU_TARGETS_H_
