// A stream of a GPU whose work a test holds back: as a kernel that runs for as long as it wants.
#ifndef VATTENTION_NATIVE_TESTS_HELD_STREAM_H_
#define VATTENTION_NATIVE_TESTS_HELD_STREAM_H_

#include <chrono>
#include <thread>

#include "tests/device_memory.h"

namespace vattention::testing {

// Of the highest priority, and so apart from all other streams in the device's queues, whose work
// would else be held back, too.
class HeldStream : public CudaStream {
 public:
  HeldStream() : CudaStream(/*urgent=*/true) {
    const CudaContext::Scope scope(context());
    if (api().stream_wait_value == nullptr) {
      Fail(__FILE__, __LINE__, "this CUDA driver knows no streams that wait for memory");
    }
    void* memory = nullptr;
    Must(api().host_allocate(&memory, sizeof(*reached_), cuda::kHostPortable));
    reached_ = static_cast<uint32_t*>(memory);
    *reached_ = 0;
  }
  ~HeldStream() {
    if (opener_.joinable()) opener_.join();
    Open();
    Synchronize();
    const CudaContext::Scope scope(context());
    api().host_free(reached_);
  }

  // What it is given from now on waits.
  void Hold() {
    const CudaContext::Scope scope(context());
    Must(api().stream_wait_value(handle(), reinterpret_cast<uintptr_t>(reached_), ++held_,
                                 cuda::kWaitGreaterOrEqual));
  }
  void Open() { __atomic_store_n(reached_, held_, __ATOMIC_RELEASE); }
  // A moment from now.
  void OpenLater() {
    opener_ = std::thread([this] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      Open();
    });
  }

 private:
  uint32_t* reached_ = nullptr;
  uint32_t held_ = 0;
  std::thread opener_;
};

}  // namespace vattention::testing

#endif  // VATTENTION_NATIVE_TESTS_HELD_STREAM_H_
