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

class Staging {
 public:
  // Of what is taken of the tail.
  static constexpr size_t kTailAlignment = 256;

  Staging() = default;
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // Before Allocate: room for `count` elements. The array added last may be used in part.
  template <typename T>
  Staged<T> Add(size_t count) {
    const size_t offset = (bytes_ + 15) / 16 * 16;
    bytes_ = offset + count * sizeof(T);
    return {offset};
  }
  // Likewise: bytes of tail, room behind the arrays as far as a pass uses them. What is taken of it
  // is rounded up to its alignment.
  void AddTail(size_t bytes) { tail_bytes_ = bytes; }
  void Allocate();
  uint64_t bytes() const { return TailAfter(bytes_) + tail_bytes_; }

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
  // What the device will find at `array`, which is in here.
  template <typename T>
  const T* OnHost(const T* array) const {
    return reinterpret_cast<const T*>(
        entries_[current_]->memory.template data<char>() +
        (reinterpret_cast<const char*>(array) - device_.data<char>()));
  }
  // Of this pass's arrays the bytes from `end` on are not used: the tail begins there, in the same
  // place whenever the same is used.
  void EndArrays(size_t end) { used_ = TailAfter(end); }
  // What is left of the tail.
  Staged<char> tail() const { return {used_}; }
  // Its first bytes are used now.
  void Take(size_t bytes) { used_ = TailAfter(used_ + bytes); }
  // Copies all that is used.
  void Upload(cudaStream_t stream);
  // Instead of Upload, after copies that somebody else has enqueued on `stream`.
  void MarkCopied(cudaStream_t stream);

 private:
  struct Entry {
    PinnedBuffer memory;
    cudaEvent_t copied = nullptr;
    ~Entry();
  };
  std::unique_ptr<Entry> MakeEntry() const;

  static size_t TailAfter(size_t end) {
    return (end + kTailAlignment - 1) / kTailAlignment * kTailAlignment;
  }

  size_t bytes_ = 0;  // of the arrays
  size_t tail_bytes_ = 0;
  size_t used_ = 0;  // by this pass
  DeviceBuffer device_;
  std::vector<std::unique_ptr<Entry>> entries_;  // a ring that grows when copies lag behind
  size_t current_ = 0;
};

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_STAGING_H_
