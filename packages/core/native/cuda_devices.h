// The GPUs that an environment has in use, and the list of those that there are.
#ifndef VATTENTION_CORE_CUDA_DEVICES_H_
#define VATTENTION_CORE_CUDA_DEVICES_H_

#include <napi.h>

#include <map>
#include <memory>
#include <string>

#include "cuda_device.h"

namespace vattention::core {

// A device that was used once stays open, as it does with CUDA's runtime: opening one takes long.
// JavaScript thread only.
class CudaDevices {
 public:
  explicit CudaDevices(std::weak_ptr<FenceWatcher> watcher)
      : use_(std::make_shared<CudaUse>()), watcher_(std::move(watcher)) {}

  // Throws ERR_VATTENTION_UNSUPPORTED, with the reason in words, without the device.
  std::shared_ptr<CudaDevice> Get(Napi::Env env, int index);
  // nullptr when it was never used.
  std::shared_ptr<CudaDevice> Find(int index) const;
  std::shared_ptr<CudaStream> MakeStream(Napi::Env env, int index, bool urgent);
  // A stream that was made here; nullptr for somebody else's.
  std::shared_ptr<CudaStream> FindStream(const vattn_stream& stream) const;
  // Memory of any device was given to `stream`, which may be somebody else's: what leaves from now
  // on waits for it.
  void NoteWork(const vattn_stream& stream);
  // Throws ERR_VATTENTION_BUSY while a stream of the device is captured here: `doing` waits for
  // the device, which would break the capture.
  void CheckNotCapturing(Napi::Env env, int index, const char* doing) const;

 private:
  const std::shared_ptr<CudaUse> use_;
  const std::weak_ptr<FenceWatcher> watcher_;
  std::map<int, std::shared_ptr<CudaDevice>> devices_;
};

// Throws what a driver call that did not succeed means; `doing` says what it was for.
void CheckDriver(Napi::Env env, const DriverStatus& status, const std::string& doing);

// The addon's `devices` and `deviceMemory`: see src/addon.ts.
Napi::Value ListDevices(const Napi::CallbackInfo& info);
Napi::Value DeviceMemoryInfo(const Napi::CallbackInfo& info);

}  // namespace vattention::core

#endif  // VATTENTION_CORE_CUDA_DEVICES_H_
