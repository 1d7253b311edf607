// Memory that a plan owns: on the device, and pinned on the host.
#ifndef VATTENTION_ATTENTION_CUDA_DEVICE_BUFFER_H_
#define VATTENTION_ATTENTION_CUDA_DEVICE_BUFFER_H_

#include <cstddef>
#include <utility>

#include "attention/cuda/cuda_error.h"

namespace vattention::attention::cuda {

// Freed by cudaFree, which waits for the device: no kernel loses what it reads.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  // Throws CudaError. 0 bytes: no memory.
  explicit DeviceBuffer(size_t bytes) : bytes_(bytes) {
    if (bytes > 0) Check(cudaMalloc(&data_, bytes), "cudaMalloc");
  }
  ~DeviceBuffer() {
    if (data_ != nullptr) cudaFree(data_);
  }
  DeviceBuffer(DeviceBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  template <typename T = void>
  T* data() const {
    return static_cast<T*>(data_);
  }
  size_t bytes() const { return bytes_; }
  // Room for `bytes`, which is kept. What was there is lost.
  void Grow(size_t bytes) {
    if (bytes <= bytes_) return;
    *this = DeviceBuffer();
    *this = DeviceBuffer(bytes);
  }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

// Page-locked, so that copies to the device are enqueued and not waited for.
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  explicit PinnedBuffer(size_t bytes) : bytes_(bytes) {
    if (bytes > 0) Check(cudaHostAlloc(&data_, bytes, cudaHostAllocDefault), "cudaHostAlloc");
  }
  ~PinnedBuffer() {
    if (data_ != nullptr) cudaFreeHost(data_);
  }
  PinnedBuffer(PinnedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  template <typename T = void>
  T* data() const {
    return static_cast<T*>(data_);
  }
  size_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_DEVICE_BUFFER_H_
