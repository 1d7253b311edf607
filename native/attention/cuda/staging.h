// The numbers of a pass on their way to the device: written by the host into pinned memory, and
// copied by one enqueued call. Addresses on the device stay the same for the plan's life, so that a
// captured graph reads what the latest pass has put there.
#ifndef VATTENTION_ATTENTION_CUDA_STAGING_H_
#define VATTENTION_ATTENTION_CUDA_STAGING_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "attention/cuda/device_buffer.h"

namespace vattention::attention::cuda {

// An array in the staging area, by its place.
template <typename T>
struct Staged {
  size_t offset = 0;
};

// The same in memory beside it, which Upload leaves alone.
template <typename T>
struct StagedApart {
  size_t offset = 0;
};

class Staging {
 public:
  Staging() = default;
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // Before Allocate: room for `count` elements. The array added last may be uploaded in part.
  template <typename T>
  Staged<T> Add(size_t count) {
    const size_t offset = (bytes_ + 15) / 16 * 16;
    bytes_ = offset + count * sizeof(T);
    return {offset};
  }
  // Likewise room for what somebody else copies to the device: on Upload's stream and before it.
  template <typename T>
  StagedApart<T> AddApart(size_t count) {
    const size_t offset = (apart_bytes_ + 15) / 16 * 16;
    apart_bytes_ = offset + count * sizeof(T);
    return {offset};
  }
  void Allocate();
  uint64_t bytes() const { return ApartFrom() + apart_bytes_; }

  // Starts a pass: host memory that no copy in flight reads. Never waits for the device.
  void Begin();
  // Valid until the next Begin.
  template <typename T>
  T* Host(Staged<T> array) const {
    return reinterpret_cast<T*>(entries_[current_]->memory.template data<char>() + array.offset);
  }
  template <typename T>
  T* Device(Staged<T> array) const {
    return reinterpret_cast<T*>(device_.data<char>() + array.offset);
  }
  template <typename T>
  T* Host(StagedApart<T> array) const {
    return Host(Staged<T>{ApartFrom() + array.offset});
  }
  template <typename T>
  T* Device(StagedApart<T> array) const {
    return Device(Staged<T>{ApartFrom() + array.offset});
  }
  // Copies everything up to `end`, the offset behind the last byte that was written.
  void Upload(size_t end, cudaStream_t stream);
  // Instead of Upload, after copies that somebody else has enqueued on `stream`.
  void MarkCopied(cudaStream_t stream);

 private:
  struct Entry {
    PinnedBuffer memory;
    cudaEvent_t copied = nullptr;
    ~Entry();
  };
  std::unique_ptr<Entry> MakeEntry() const;

  size_t ApartFrom() const { return (bytes_ + 255) / 256 * 256; }

  size_t bytes_ = 0;
  size_t apart_bytes_ = 0;
  DeviceBuffer device_;
  std::vector<std::unique_ptr<Entry>> entries_;  // a ring that grows when copies lag behind
  size_t current_ = 0;
};

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_STAGING_H_
