// How fast this machine reads memory: the yardstick of decoding.
#ifndef VATTENTION_OPS_CPU_BANDWIDTH_H_
#define VATTENTION_OPS_CPU_BANDWIDTH_H_

#include <cstdint>

#include "ops/cpu/status.h"

namespace vattention::ops {

// Reads `bytes` of fresh memory in order with `threads` threads, several times; the best in bytes
// per second. `bytes` should be well above the caches.
Status MeasureReadBandwidth(uint64_t bytes, int threads, double* bytes_per_second);

// Cores that this process may use: affinity and the cgroup's CPU quota, at least 1.
int AvailableCores();

}  // namespace vattention::ops

#endif  // VATTENTION_OPS_CPU_BANDWIDTH_H_
