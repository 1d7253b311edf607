// A strided tensor as runs of bytes that lie one after the other.
#ifndef VATTENTION_CORE_STRIDED_RUNS_H_
#define VATTENTION_CORE_STRIDED_RUNS_H_

#include <cstddef>
#include <cstdint>

#include "vattention/device.h"

namespace vattention::core {

struct Runs {
  int32_t outer;  // dimensions [0, outer) say where the runs are
  size_t bytes;   // of each
};

// Inner dimensions that lie densely are one run.
inline Runs RunsOf(const vattn_tensor& tensor, size_t element_bytes) {
  Runs runs{tensor.rank, element_bytes};
  while (runs.outer > 0 &&
         (tensor.shape[runs.outer - 1] == 1 ||
          static_cast<size_t>(tensor.stride[runs.outer - 1]) * element_bytes == runs.bytes)) {
    runs.bytes *= static_cast<size_t>(tensor.shape[runs.outer - 1]);
    --runs.outer;
  }
  return runs;
}

// Calls visit(address) for every run of `run` bytes, in row-major order of the outer dimensions.
// Stops at the first result that is not 0, and returns it.
template <class Visit>
int ForEachRun(const vattn_tensor& tensor, size_t element_bytes, int32_t outer, uint8_t* address,
               const Visit& visit) {
  int64_t index[VATTN_MAX_RANK] = {};
  for (;;) {
    if (const int failure = visit(address)) return failure;
    int32_t dim = outer - 1;
    for (; dim >= 0; --dim) {
      const int64_t stride = tensor.stride[dim] * static_cast<int64_t>(element_bytes);
      if (++index[dim] < tensor.shape[dim]) {
        address += stride;
        break;
      }
      address -= stride * (tensor.shape[dim] - 1);
      index[dim] = 0;
    }
    if (dim < 0) return 0;
  }
}

}  // namespace vattention::core

#endif  // VATTENTION_CORE_STRIDED_RUNS_H_
