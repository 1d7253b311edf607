// Numbers on the GPU.
#ifndef OWN_ENGINE_DEVICE_ARRAY_H_
#define OWN_ENGINE_DEVICE_ARRAY_H_

#include <cstddef>

#include "failure.h"

namespace own_engine {

template <typename T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t count) {
    CheckCuda(cudaMalloc(reinterpret_cast<void**>(&data_), count * sizeof(T)), "cudaMalloc");
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }

 private:
  T* data_ = nullptr;
};

}  // namespace own_engine

#endif  // OWN_ENGINE_DEVICE_ARRAY_H_
