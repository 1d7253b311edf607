// GPUs as one environment (the main thread, each worker) uses them: memory for tensors, and the
// streams that were made here. JavaScript thread only, unless something says otherwise.
//
// Memory leaves in the order of the streams: it goes once every stream of this environment, and the
// device's default stream, has passed the point where it was given up. Nobody waits for that, least
// of all JavaScript's collector, and no stream does either: in the device's queues it could hold up
// others. Streams of others are known by the work that was given to them here.
#ifndef VATTENTION_CORE_CUDA_DEVICE_H_
#define VATTENTION_CORE_CUDA_DEVICE_H_

#include <chrono>
#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "fence_watcher.h"
#include "memory/cuda_context.h"
#include "memory/cuda_event.h"
#include "pinned_cache.h"

namespace vattention::core {

class CudaDevice;
class CudaStream;

// What an environment uses of CUDA. The memory of a device may be used by the streams of all.
struct CudaUse {
  std::map<int, std::weak_ptr<CudaDevice>> devices;
  std::set<CudaStream*> streams;
};

class CudaDevice : public std::enable_shared_from_this<CudaDevice> {
 public:
  static DriverStatus Make(std::shared_ptr<CudaContext> context, std::shared_ptr<CudaUse> use,
                           std::weak_ptr<FenceWatcher> watcher,
                           std::shared_ptr<CudaDevice>* device);
  // On any thread. Waits for the last use of what was given up.
  ~CudaDevice();
  CudaDevice(const CudaDevice&) = delete;
  CudaDevice& operator=(const CudaDevice&) = delete;

  const std::shared_ptr<CudaContext>& context() const { return context_; }
  const cuda::Api& api() const { return context_->api(); }
  int index() const { return context_->device_index(); }

  // Memory of the device: zeros, which every stream may use from now on.
  DriverStatus Allocate(size_t bytes, cuda::DeviceAddress* address);
  void Free(cuda::DeviceAddress address);
  // Memory of the host that devices read and write by themselves: zeros. What was given up is kept
  // for the next.
  DriverStatus AllocatePinned(size_t bytes, void** address);
  void FreePinned(void* address);
  // Gives back to the device what has left; with patience also what leaves within a moment.
  void Reap(std::chrono::microseconds patience = {});

  // What leaves from now on does so behind this point of `stream`, of any device.
  DriverStatus LeaveAfter(const std::shared_ptr<CudaContext>& of_stream, cuda::Stream stream);

  // A stream for what is done when its call returns. It never waits for another.
  cuda::Stream own_stream() const { return own_; }

  // Of this environment: whether a stream of the device, or this one, is being captured.
  bool capturing() const { return !captured_.empty(); }
  bool IsCapturing(cuda::Stream stream) const { return captured_.contains(stream); }
  DriverStatus BeginCapture(cuda::Stream stream);
  // Ends it in any case. *graph: nullptr after a failure.
  DriverStatus EndCapture(cuda::Stream stream, cuda::Graph* graph);

 private:
  // What was given up together, and the points behind which nobody uses it.
  struct Leaving {
    std::vector<std::shared_ptr<CudaEvent>> uses;
    std::vector<cuda::DeviceAddress> memory;
    std::vector<void*> pinned;

    bool IsOver() const;
    void Wait() const;
  };
  class Departure;

  CudaDevice(std::shared_ptr<CudaContext> context, std::shared_ptr<CudaUse> use,
             std::weak_ptr<FenceWatcher> watcher)
      : context_(std::move(context)),
        use_(std::move(use)),
        watcher_(std::move(watcher)),
        pinned_(api()) {}
  DriverStatus Start();
  DriverStatus OpenPool();
  DriverStatus AllocateOnce(size_t bytes, cuda::DeviceAddress* address);
  // Sends off what was given up. While a stream is being captured it has no point to wait for:
  // then all stays for the next call.
  void SendOff();
  // Recycles what nobody uses any more.
  void TakeBack();

  const std::shared_ptr<CudaContext> context_;
  const std::shared_ptr<CudaUse> use_;
  const std::weak_ptr<FenceWatcher> watcher_;
  cuda::Pool pool_ = nullptr;
  cuda::Stream own_ = nullptr;
  PinnedCache pinned_;
  std::shared_ptr<Leaving> given_up_ = std::make_shared<Leaving>();
  std::list<std::shared_ptr<const Leaving>> leaving_;   // sent off
  std::vector<std::shared_ptr<CudaEvent>> other_uses_;  // by streams that are gone, or not ours
  std::set<cuda::Stream> captured_;
};

// A stream that lives as long as somebody holds it: JavaScript, or a cache that it is attached to.
class CudaStream : public std::enable_shared_from_this<CudaStream> {
 public:
  // `urgent`: of the highest priority, and so apart from all others in the device's queues.
  static DriverStatus Make(std::shared_ptr<CudaDevice> device, std::shared_ptr<CudaUse> use,
                           bool urgent, std::shared_ptr<CudaStream>* stream);
  ~CudaStream();
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;

  CudaDevice& device() const { return *device_; }
  cuda::Stream handle() const { return handle_; }

 private:
  CudaStream(std::shared_ptr<CudaDevice> device, std::shared_ptr<CudaUse> use)
      : device_(std::move(device)), use_(std::move(use)) {}

  const std::shared_ptr<CudaDevice> device_;
  const std::shared_ptr<CudaUse> use_;
  cuda::Stream handle_ = nullptr;
};

}  // namespace vattention::core

#endif  // VATTENTION_CORE_CUDA_DEVICE_H_
