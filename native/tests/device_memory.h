// Memory of the device that tests run on. VATTENTION_TEST_DEVICE=cuda runs those that can on the
// first GPU; without it everything happens on the CPU.
#ifndef VATTENTION_NATIVE_TESTS_DEVICE_MEMORY_H_
#define VATTENTION_NATIVE_TESTS_DEVICE_MEMORY_H_

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "memory/cuda_driver.h"
#include "tests/check.h"
#include "vattention/device.h"

namespace vattention::testing {

inline bool OnCuda() {
  const char* device = std::getenv("VATTENTION_TEST_DEVICE");
  return device != nullptr && std::string(device) == "cuda";
}
inline int32_t TestDeviceType() { return OnCuda() ? VATTN_DEVICE_CUDA : VATTN_DEVICE_CPU; }

// A stream of a GPU, on which tests read and write.
class CudaStream {
 public:
  explicit CudaStream(bool urgent = false) {
    std::string why;
    context_ = CudaContext::Make(0, &why);
    if (context_ == nullptr) Fail(__FILE__, __LINE__, why);
    const CudaContext::Scope scope(*context_);
    int least = 0;
    int greatest = 0;
    Must(api().stream_priorities(&least, &greatest));
    Must(api().stream_create_with_priority(&stream_, cuda::kStreamNonBlocking,
                                           urgent ? greatest : least));
  }
  ~CudaStream() {
    const CudaContext::Scope scope(*context_);
    context_->api().stream_synchronize(stream_);
    context_->api().stream_destroy(stream_);
  }
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;

  vattn_stream get() const {
    return {VATTN_DEVICE_CUDA, 0, static_cast<uint64_t>(reinterpret_cast<uintptr_t>(stream_))};
  }
  const cuda::Api& api() const { return context_->api(); }
  const CudaContext& context() const { return *context_; }
  cuda::Stream handle() const { return stream_; }

  // Both are done when they return.
  void Write(void* to, const void* from, size_t bytes) {
    const CudaContext::Scope scope(*context_);
    Must(api().copy_from_host(reinterpret_cast<uintptr_t>(to), from, bytes, stream_));
    Must(api().stream_synchronize(stream_));
  }
  void Read(void* to, const void* from, size_t bytes) {
    const CudaContext::Scope scope(*context_);
    Must(api().copy_to_host(to, reinterpret_cast<uintptr_t>(from), bytes, stream_));
    Must(api().stream_synchronize(stream_));
  }
  // Rows of `bytes` that lie `pitch` apart on the device, one after the other on the host.
  void WriteRows(void* to, size_t pitch, const void* from, size_t bytes, size_t rows) {
    cuda::Copy2d copy;
    copy.from_type = cuda::kMemoryHost;
    copy.from_host = from;
    copy.from_pitch = bytes;
    copy.to_device = reinterpret_cast<uintptr_t>(to);
    copy.to_pitch = pitch;
    CopyRows(copy, bytes, rows);
  }
  void ReadRows(void* to, const void* from, size_t pitch, size_t bytes, size_t rows) {
    cuda::Copy2d copy;
    copy.from_device = reinterpret_cast<uintptr_t>(from);
    copy.from_pitch = pitch;
    copy.to_type = cuda::kMemoryHost;
    copy.to_host = to;
    copy.to_pitch = bytes;
    CopyRows(copy, bytes, rows);
  }
  void Synchronize() {
    const CudaContext::Scope scope(*context_);
    Must(api().stream_synchronize(stream_));
  }
  static void Must(cuda::Result result) {
    if (result != cuda::kSuccess) {
      Fail(__FILE__, __LINE__, "the CUDA driver answered " + std::to_string(result));
    }
  }

 private:
  void CopyRows(cuda::Copy2d copy, size_t bytes, size_t rows) {
    copy.bytes = bytes;
    copy.rows = rows;
    const CudaContext::Scope scope(*context_);
    Must(api().copy_rows(&copy, stream_));
    Must(api().stream_synchronize(stream_));
  }

  std::shared_ptr<CudaContext> context_;
  cuda::Stream stream_ = nullptr;
};

}  // namespace vattention::testing

#endif  // VATTENTION_NATIVE_TESTS_DEVICE_MEMORY_H_
