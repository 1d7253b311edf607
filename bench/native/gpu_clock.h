// Time on a stream, by the device's own clock.
#ifndef VATTENTION_BENCH_NATIVE_GPU_CLOCK_H_
#define VATTENTION_BENCH_NATIVE_GPU_CLOCK_H_

#include <utility>

#include "attention/cuda/cuda_error.h"

namespace vattention::bench {

using attention::cuda::Check;

// Between two points of a stream.
class GpuClock {
 public:
  GpuClock() {
    Check(cudaEventCreate(&start_), "cudaEventCreate");
    Check(cudaEventCreate(&end_), "cudaEventCreate");
  }
  ~GpuClock() {
    cudaEventDestroy(start_);
    cudaEventDestroy(end_);
  }
  GpuClock(const GpuClock&) = delete;
  GpuClock& operator=(const GpuClock&) = delete;

  template <typename Work>
  void Measure(cudaStream_t stream, Work&& work) {
    Check(cudaEventRecord(start_, stream), "cudaEventRecord");
    std::forward<Work>(work)();
    Check(cudaEventRecord(end_, stream), "cudaEventRecord");
  }
  // Once the stream has passed what was measured last.
  double Milliseconds() const {
    float elapsed = 0;
    Check(cudaEventElapsedTime(&elapsed, start_, end_), "cudaEventElapsedTime");
    return elapsed;
  }

 private:
  cudaEvent_t start_ = nullptr;
  cudaEvent_t end_ = nullptr;
};

}  // namespace vattention::bench

#endif  // VATTENTION_BENCH_NATIVE_GPU_CLOCK_H_
