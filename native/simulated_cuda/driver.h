// What the exported functions share.
#ifndef VATTENTION_NATIVE_SIMULATED_CUDA_DRIVER_H_
#define VATTENTION_NATIVE_SIMULATED_CUDA_DRIVER_H_

#include "simulated_cuda/streams.h"

#define EXPORTED __attribute__((visibility("default")))

namespace vattention::simulated {

using cuda::Context;
using cuda::DeviceAddress;
using cuda::DeviceIndex;
using cuda::Event;
using cuda::Graph;
using cuda::GraphExec;
using cuda::kInvalidValue;
using cuda::kNotReady;
using cuda::kOutOfMemory;
using cuda::kSuccess;
using cuda::Pool;
using cuda::Result;
using cuda::Stream;

inline constexpr Result kInvalidDevice = 101;

// Whether a call may do what waits, allocates or asks. Takes the lock.
Result Enter();

// Gives a stream work that touches nothing before it runs. Takes the lock.
Result Submit(Stream stream, Work work);

// What a call answers that breaks a capture.
Result Break(const CapturePtr& capture);

// A waiting host: for a stream, or for everything. Takes the lock.
template <typename Idle>
Result WaitUntil(Idle idle) {
  Simulation& simulation = Simulation::Get();
  std::unique_lock lock(simulation.mutex);
  simulation.changed.wait(lock, idle);
  return simulation.error;
}

}  // namespace vattention::simulated

#endif  // VATTENTION_NATIVE_SIMULATED_CUDA_DRIVER_H_
