// What the tests of native/ops/cpu share: reproducible numbers and running every instruction set.
#ifndef VATTENTION_NATIVE_TESTS_OPS_FIXTURE_H_
#define VATTENTION_NATIVE_TESTS_OPS_FIXTURE_H_

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "hwy/highway.h"
#include "ops/cpu/bfloat16.h"
#include "tests/check.h"

namespace vattention::ops::testing {

// OpenMP's runtime is not instrumented: to ThreadSanitizer its barriers look like races.
#if defined(VATTN_THREAD_SANITIZER)
inline constexpr int kThreads = 1;
#else
inline constexpr int kThreads = 3;
#endif

// Uniform in [-1, 1).
std::vector<float> RandomFloats(size_t count, uint64_t seed, float scale = 1.0f);
std::vector<uint16_t> Rounded(const std::vector<float>& values);
// [rows, outputs] = [rows, inputs] x [outputs, inputs] transposed.
std::vector<double> Product(const std::vector<double>& activations,
                            const std::vector<double>& weights, int64_t inputs);

// Calls body(name) once for each instruction set that kernels were compiled for and this CPU has.
template <typename Body>
void ForEachTarget(const Body& body) {
  constexpr int64_t kTargets[] = {HWY_AVX3, HWY_AVX2, HWY_SSE2, HWY_NEON};
  const int64_t supported = hwy::SupportedTargets();
  for (const int64_t target : kTargets) {
    if ((supported & target) == 0) continue;
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(target);
    body(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().DeInit();
  }
}

// Runs the tests of this executable whose names contain `filter` as on lesser CPUs: oneDNN decides
// once per process what the CPU can do, so each has a process of its own.
inline void RunOnLesserCpus(const char* filter) {
#if defined(__SANITIZE_ADDRESS__)
  // What differs is oneDNN's own, which is not instrumented.
  const std::vector<const char*> names = {"AVX2"};
#else
  const std::vector<const char*> names = {"AVX2", "AVX512_CORE", "AVX512_CORE_BF16"};
#endif
  for (const char* isa : names) {
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
      setenv("DNNL_MAX_CPU_ISA", isa, 1);
      // What it prints would count as ours.
      const int nowhere = open("/dev/null", O_WRONLY);
      dup2(nowhere, STDOUT_FILENO);
      execl("/proc/self/exe", "test", filter, static_cast<char*>(nullptr));
      _exit(127);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    if (status != 0) {
      vattention::testing::Fail(
          __FILE__, __LINE__, std::string("\"") + filter + "\" fails with DNNL_MAX_CPU_ISA=" + isa);
    }
  }
}

}  // namespace vattention::ops::testing

#endif  // VATTENTION_NATIVE_TESTS_OPS_FIXTURE_H_
