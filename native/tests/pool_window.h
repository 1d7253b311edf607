// The elements of a paged cache's pool by address, wherever it lies: on a GPU through a copy of the
// whole pool, which tests keep small.
#ifndef VATTENTION_NATIVE_TESTS_POOL_WINDOW_H_
#define VATTENTION_NATIVE_TESTS_POOL_WINDOW_H_

#include <cstdint>
#include <mutex>
#include <vector>

#include "tests/device_memory.h"
#include "vattention/kv_cache.h"

namespace vattention::testing {

class PoolWindow {
 public:
  // `view`: of a cache of float32.
  void Open(const vattn_cache_view& view) {
    if (!OnCuda()) return;
    uintptr_t end = 0;
    base_ = UINTPTR_MAX;
    for (int32_t layer = 0; layer < view.shape.layers; ++layer) {
      for (const vattn_tensor* tensor : {&view.key[layer], &view.value[layer]}) {
        const auto at = reinterpret_cast<uintptr_t>(tensor->data);
        const auto elements = static_cast<uint64_t>(tensor->shape[0] * tensor->stride[0]);
        base_ = std::min(base_, at);
        end = std::max<uintptr_t>(end, at + elements * sizeof(float));
      }
    }
    copy_.resize((end - base_) / sizeof(float));
  }

  // Something has written, or may have: what is known of the pool is forgotten.
  void Forget() {
    const std::lock_guard lock(mutex_);
    fresh_ = false;
  }

  std::vector<float> Load(const std::vector<float*>& elements) {
    std::vector<float> values;
    values.reserve(elements.size());
    if (!OnCuda()) {
      for (const float* element : elements) values.push_back(*element);
      return values;
    }
    const std::lock_guard lock(mutex_);
    if (!fresh_) {
      Settle();
      Stream().Read(copy_.data(), reinterpret_cast<const void*>(base_),
                    copy_.size() * sizeof(float));
      fresh_ = true;
    }
    for (const float* element : elements) {
      values.push_back(copy_[(reinterpret_cast<uintptr_t>(element) - base_) / sizeof(float)]);
    }
    return values;
  }

  void Store(const std::vector<float*>& elements, const std::vector<float>& values) {
    if (!OnCuda()) {
      for (size_t i = 0; i < elements.size(); ++i) *elements[i] = values[i];
      return;
    }
    const std::lock_guard lock(mutex_);
    fresh_ = false;
    Settle();
    for (size_t first = 0; first < elements.size();) {
      size_t last = first + 1;  // neighbours go together
      while (last < elements.size() && elements[last] == elements[last - 1] + 1) ++last;
      Stream().Write(elements[first], &values[first], (last - first) * sizeof(float));
      first = last;
    }
  }

 private:
  // One for all tests, so that the device's context stays.
  static CudaStream& Stream() {
    static auto* stream = new CudaStream;
    return *stream;
  }
  // Waits for all that any stream was given, the cache's own included: not through the cache, whose
  // driver may be told to fail.
  static void Settle() {
    const CudaContext::Scope scope(Stream().context());
    CudaStream::Must(Stream().api().context_synchronize());
  }

  std::mutex mutex_;
  uintptr_t base_ = 0;
  std::vector<float> copy_;
  bool fresh_ = false;
};

}  // namespace vattention::testing

#endif  // VATTENTION_NATIVE_TESTS_POOL_WINDOW_H_
