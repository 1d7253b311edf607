#include "cuda_device.h"

#include <algorithm>
#include <cstring>
#include <thread>

namespace vattention::core {

using cuda::Check;

// Something has left, or will have once its event has passed.
class CudaDevice::Departure final : public Awaited {
 public:
  Departure(std::shared_ptr<CudaDevice> device, std::shared_ptr<CudaEvent> event)
      : device_(std::move(device)), event_(std::move(event)) {}
  bool Done() const override { return event_->Done(); }
  void Complete(Napi::Env) override { device_->Reap(); }

 private:
  const std::shared_ptr<CudaDevice> device_;
  const std::shared_ptr<CudaEvent> event_;
};

DriverStatus CudaDevice::Make(std::shared_ptr<CudaContext> context, std::shared_ptr<CudaUse> use,
                              std::weak_ptr<FenceWatcher> watcher,
                              std::shared_ptr<CudaDevice>* device) {
  std::shared_ptr<CudaDevice> made(
      new CudaDevice(std::move(context), std::move(use), std::move(watcher)));
  DriverStatus status = made->Start();
  if (status.ok()) *device = std::move(made);
  return status;
}

DriverStatus CudaDevice::Start() {
  const CudaContext::Scope scope(*context_);
  for (cuda::Stream* stream : {&own_, &leaving_}) {
    DriverStatus status =
        Check("cuStreamCreate", api().stream_create(stream, cuda::kStreamNonBlocking));
    if (!status.ok()) return status;
  }
  return {};
}

DriverStatus CudaDevice::OpenPool() {
  if (pool_ != nullptr) return {};
  if (context_->Attribute(cuda::kAttributePools) == 0) {
    return {VATTN_UNSUPPORTED, "cuMemPoolCreate", 0};
  }
  cuda::PoolProperties properties;
  properties.location.id = index();
  DriverStatus status = Check("cuMemPoolCreate", api().pool_create(&pool_, &properties));
  if (!status.ok()) return status;
  // Else a new tensor would wait for whatever an old one's memory waits for.
  int no = 0;
  return Check("cuMemPoolSetAttribute", api().pool_set(pool_, cuda::kPoolReuseByWaiting, &no));
}

CudaDevice::~CudaDevice() {
  const CudaContext::Scope scope(*context_);
  for (const cuda::DeviceAddress address : given_up_) api().pool_free(address, leaving_);
  const auto free_all = [&](const std::vector<void*>& addresses) {
    for (void* address : addresses) api().host_free(address);
  };
  if (leaving_ != nullptr) api().stream_synchronize(leaving_);
  free_all(given_up_pinned_);
  for (const Pinned& pinned : pinned_) free_all(pinned.addresses);
  if (pool_ != nullptr) api().pool_destroy(pool_);
  for (const cuda::Stream stream : {own_, leaving_}) {
    if (stream != nullptr) api().stream_destroy(stream);
  }
}

vattn_stream CudaDevice::leaving() const {
  return {VATTN_DEVICE_CUDA, index(), static_cast<uint64_t>(reinterpret_cast<uintptr_t>(leaving_))};
}

DriverStatus CudaDevice::Allocate(size_t bytes, cuda::DeviceAddress* address) {
  const CudaContext::Scope scope(*context_);
  SendOff();
  DriverStatus status = OpenPool();
  if (status.ok()) status = AllocateOnce(bytes, address);
  if (status.status != VATTN_OUT_OF_MEMORY) return status;
  // What is on its way back may be enough.
  if (DriverStatus left = Check("cuStreamSynchronize", api().stream_synchronize(leaving_));
      !left.ok()) {
    return left;
  }
  Reap();
  return AllocateOnce(bytes, address);
}

DriverStatus CudaDevice::AllocateOnce(size_t bytes, cuda::DeviceAddress* address) {
  DriverStatus status =
      Check("cuMemAllocFromPoolAsync",
            api().pool_allocate(address, std::max<size_t>(bytes, 1), pool_, own_));
  if (!status.ok()) return status;
  status = Check("cuMemsetD8Async", api().set8(*address, 0, bytes, own_));
  if (status.ok()) status = Check("cuStreamSynchronize", api().stream_synchronize(own_));
  if (!status.ok()) api().pool_free(*address, own_);
  return status;
}

void CudaDevice::Free(cuda::DeviceAddress address) {
  given_up_.push_back(address);
  SendOff();
}

DriverStatus CudaDevice::AllocatePinned(size_t bytes, void** address) {
  const CudaContext::Scope scope(*context_);
  SendOff();
  DriverStatus status =
      Check("cuMemHostAlloc",
            api().host_allocate(address, std::max<size_t>(bytes, 1), cuda::kHostPortable));
  if (status.ok()) std::memset(*address, 0, bytes);
  return status;
}

void CudaDevice::FreePinned(void* address) {
  given_up_pinned_.push_back(address);
  SendOff();
}

DriverStatus CudaDevice::LeaveAfter(const std::shared_ptr<CudaContext>& of_stream,
                                    cuda::Stream stream) {
  std::unique_ptr<CudaEvent> event;
  DriverStatus status = CudaEvent::Record(of_stream, stream, &event);
  return status.ok() ? event->MakeStreamWait(leaving()) : status;
}

void CudaDevice::SendOff() {
  if (given_up_.empty() && given_up_pinned_.empty()) return;
  // An error of the device other than this one leaves nothing to wait for.
  if (LeaveAfter(context_, nullptr).status == VATTN_BUSY) return;
  for (const CudaStream* stream : use_->streams) {
    if (LeaveAfter(stream->device().context(), stream->handle()).status == VATTN_BUSY) return;
  }
  const CudaContext::Scope scope(*context_);
  for (const cuda::DeviceAddress address : given_up_) api().pool_free(address, leaving_);
  given_up_.clear();
  std::unique_ptr<CudaEvent> event;
  if (!CudaEvent::Record(context_, leaving_, &event).ok()) return;
  const std::shared_ptr<CudaEvent> left = std::move(event);
  if (!given_up_pinned_.empty()) pinned_.push_back({left, std::exchange(given_up_pinned_, {})});
  if (const auto watcher = watcher_.lock()) {
    watcher->Watch(std::make_unique<Departure>(shared_from_this(), left));
  }
}

void CudaDevice::Reap(std::chrono::microseconds patience) {
  SendOff();
  const CudaContext::Scope scope(*context_);
  std::unique_ptr<CudaEvent> last;
  if (!CudaEvent::Record(context_, leaving_, &last).ok()) return;
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!last->Done() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  while (!pinned_.empty() && pinned_.front().last_use->Done()) {
    for (void* address : pinned_.front().addresses) api().host_free(address);
    pinned_.pop_front();
  }
  if (pool_ == nullptr) return;
  // The pool gives back what it has seen leave, and it looks when somebody waits.
  if (last->Done()) api().stream_synchronize(leaving_);
  api().pool_trim(pool_, 0);
}

DriverStatus CudaDevice::BeginCapture(cuda::Stream stream) {
  const CudaContext::Scope scope(*context_);
  if (context_->IsCapturing(stream)) return {VATTN_BUSY, "cuStreamBeginCapture", 0};
  // Of this thread alone: what other threads do at the same time is no concern of the capture.
  DriverStatus status =
      Check("cuStreamBeginCapture", api().stream_begin_capture(stream, cuda::kCaptureThreadLocal));
  if (status.ok()) captured_.insert(stream);
  return status;
}

DriverStatus CudaDevice::EndCapture(cuda::Stream stream, cuda::Graph* graph) {
  const CudaContext::Scope scope(*context_);
  captured_.erase(stream);
  *graph = nullptr;
  DriverStatus status = Check("cuStreamEndCapture", api().stream_end_capture(stream, graph));
  SendOff();
  return status;
}

DriverStatus CudaStream::Make(std::shared_ptr<CudaDevice> device, std::shared_ptr<CudaUse> use,
                              bool urgent, std::shared_ptr<CudaStream>* stream) {
  std::shared_ptr<CudaStream> made(new CudaStream(std::move(device), std::move(use)));
  const CudaContext::Scope scope(*made->device_->context());
  const cuda::Api& api = made->device_->api();
  int least = 0;
  int greatest = 0;
  if (urgent) api.stream_priorities(&least, &greatest);
  DriverStatus status =
      Check("cuStreamCreateWithPriority",
            api.stream_create_with_priority(&made->handle_, cuda::kStreamNonBlocking, greatest));
  if (!status.ok()) return status;
  made->use_->streams.insert(made.get());
  *stream = std::move(made);
  return {};
}

CudaStream::~CudaStream() {
  use_->streams.erase(this);
  if (handle_ == nullptr) return;
  for (const auto& [index, device] : use_->devices) {
    if (const auto used = device.lock()) used->LeaveAfter(device_->context(), handle_);
  }
  const CudaContext::Scope scope(*device_->context());
  // What it was given still runs.
  device_->api().stream_destroy(handle_);
}

}  // namespace vattention::core
