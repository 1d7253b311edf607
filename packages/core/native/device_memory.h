// Memory of tensors that GPUs use, in JavaScript: src/addon.ts describes both classes.
#ifndef VATTENTION_CORE_DEVICE_MEMORY_H_
#define VATTENTION_CORE_DEVICE_MEMORY_H_

#include <napi.h>

#include <cstddef>
#include <memory>

#include "cuda_device.h"

namespace vattention::core {

// `DeviceMemory`: of a GPU.
class DeviceMemory : public Napi::ObjectWrap<DeviceMemory> {
 public:
  static Napi::Function Define(Napi::Env env);
  // (bytes, device index)
  explicit DeviceMemory(const Napi::CallbackInfo& info);
  ~DeviceMemory() override { Free(); }

 private:
  Napi::Value GetAddress(const Napi::CallbackInfo& info);
  void Release(const Napi::CallbackInfo&) { Free(); }
  void Free();

  std::shared_ptr<CudaDevice> device_;  // nullptr: released
  cuda::DeviceAddress address_ = 0;
};

// `PinnedMemory`: of the host, for a GPU to read and write by itself.
class PinnedMemory : public Napi::ObjectWrap<PinnedMemory> {
 public:
  static Napi::Function Define(Napi::Env env);
  // (bytes, device index)
  explicit PinnedMemory(const Napi::CallbackInfo& info);
  ~PinnedMemory() override { Free(Env()); }

 private:
  Napi::Value GetAddress(const Napi::CallbackInfo& info);
  void Release(const Napi::CallbackInfo& info) { Free(info.Env()); }
  void Free(Napi::Env env);

  std::shared_ptr<CudaDevice> device_;  // nullptr: released
  void* address_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace vattention::core

#endif  // VATTENTION_CORE_DEVICE_MEMORY_H_
