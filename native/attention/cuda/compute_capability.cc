#include "attention/cuda/compute_capability.h"

#include <cstdlib>
#include <string>
#include <string_view>

#include "attention/built.h"
#include "attention/common/error.h"
#include "attention/cuda/cuda_error.h"

namespace vattention::attention::cuda {

namespace {

// Machine code runs on later devices of the same major version; with an "a", on no other at all.
bool Runs(std::string_view arch, int capability) {
  const int built = std::atoi(std::string(arch).c_str());
  if (arch.back() == 'a') return built == capability;
  return built / 10 == capability / 10 && built <= capability;
}

bool AnyRuns(int capability) {
  std::string_view list = VATTN_CUDA_ARCHS;
  while (!list.empty()) {
    const size_t comma = list.find(',');
    if (Runs(list.substr(0, comma), capability)) return true;
    list = comma == std::string_view::npos ? "" : list.substr(comma + 1);
  }
  return false;
}

}  // namespace

vattn_status CheckComputeCapability(const char* backend, int device, int capability, bool later,
                                    vattn_error* error) {
  int major = 0;
  int minor = 0;
  Check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device),
        "cudaDeviceGetAttribute");
  Check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device),
        "cudaDeviceGetAttribute");
  const int found = 10 * major + minor;
  if (later ? found < capability : found != capability) {
    return Fail(error, VATTN_UNSUPPORTED,
                "%s: compute capability %d.%d%s required, found %d.%d (device %d).", backend,
                capability / 10, capability % 10, later ? " or later" : "", major, minor, device);
  }
  if (!AnyRuns(found)) {
    return Fail(
        error, VATTN_UNSUPPORTED,
        "%s: this build holds kernels for %s, device %d has compute capability %d.%d. Build "
        "with --arch %d.",
        backend, VATTN_CUDA_ARCHS, device, major, minor, found);
  }
  return VATTN_OK;
}

}  // namespace vattention::attention::cuda
