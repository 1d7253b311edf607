#include "cuda_device.h"

#include <algorithm>
#include <thread>

namespace vattention::core {

using cuda::Check;

namespace {

constexpr std::chrono::microseconds kPause{50};

}  // namespace

bool CudaDevice::Leaving::IsOver() const {
  return std::ranges::all_of(uses, [](const auto& use) { return use->Done(); });
}

void CudaDevice::Leaving::Wait() const {
  while (!IsOver()) std::this_thread::sleep_for(kPause);
}

// Looks for a device when somebody's last use of its memory is over.
class CudaDevice::Departure final : public Awaited {
 public:
  Departure(std::shared_ptr<CudaDevice> device, std::shared_ptr<const Leaving> leaving)
      : device_(std::move(device)), leaving_(std::move(leaving)) {}
  bool Done() const override { return leaving_->IsOver(); }
  void Complete(Napi::Env) override { device_->Reap(); }

 private:
  const std::shared_ptr<CudaDevice> device_;
  const std::shared_ptr<const Leaving> leaving_;
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
  return Check("cuStreamCreate", api().stream_create(&own_, cuda::kStreamNonBlocking));
}

DriverStatus CudaDevice::OpenPool() {
  if (pool_ != nullptr) return {};
  if (context_->Attribute(cuda::kAttributePools) == 0) {
    return {VATTN_UNSUPPORTED, "cuMemPoolCreate", 0};
  }
  cuda::PoolProperties properties;
  properties.location.id = index();
  return Check("cuMemPoolCreate", api().pool_create(&pool_, &properties));
}

CudaDevice::~CudaDevice() {
  const CudaContext::Scope scope(*context_);
  for (const auto& leaving : leaving_) leaving->Wait();
  TakeBack();
  // Of a capture that was never ended.
  for (const cuda::DeviceAddress address : given_up_->memory) api().pool_free(address, own_);
  pinned_.GiveBack();
  if (pool_ != nullptr) api().pool_destroy(pool_);
  if (own_ != nullptr) api().stream_destroy(own_);
}

DriverStatus CudaDevice::Allocate(size_t bytes, cuda::DeviceAddress* address) {
  const CudaContext::Scope scope(*context_);
  SendOff();
  TakeBack();
  DriverStatus status = OpenPool();
  if (status.ok()) status = AllocateOnce(bytes, address);
  if (status.status != VATTN_OUT_OF_MEMORY) return status;
  // What is on its way back may be enough.
  for (const auto& leaving : leaving_) leaving->Wait();
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
  given_up_->memory.push_back(address);
  SendOff();
}

DriverStatus CudaDevice::AllocatePinned(size_t bytes, void** address) {
  const CudaContext::Scope scope(*context_);
  SendOff();
  TakeBack();
  return pinned_.Allocate(bytes, address);
}

void CudaDevice::FreePinned(void* address) {
  given_up_->pinned.push_back(address);
  SendOff();
}

DriverStatus CudaDevice::LeaveAfter(const std::shared_ptr<CudaContext>& of_stream,
                                    cuda::Stream stream) {
  std::erase_if(other_uses_, [](const auto& use) { return use->Done(); });
  std::unique_ptr<CudaEvent> use;
  DriverStatus status = CudaEvent::Record(of_stream, stream, &use);
  if (status.ok() && !use->IsPast()) other_uses_.push_back(std::move(use));
  return status;
}

void CudaDevice::SendOff() {
  if (given_up_->memory.empty() && given_up_->pinned.empty()) return;
  std::vector<std::shared_ptr<CudaEvent>> uses = other_uses_;
  // False: the stream is being captured. Another error of the device leaves nothing to wait for.
  const auto add = [&](const std::shared_ptr<CudaContext>& context, cuda::Stream stream) {
    std::unique_ptr<CudaEvent> use;
    const DriverStatus status = CudaEvent::Record(context, stream, &use);
    if (status.ok() && !use->IsPast()) uses.push_back(std::move(use));
    return status.status != VATTN_BUSY;
  };
  if (!add(context_, nullptr)) return;
  for (const CudaStream* stream : use_->streams) {
    if (!add(stream->device().context(), stream->handle())) return;
  }
  given_up_->uses = std::move(uses);
  leaving_.push_back(std::exchange(given_up_, std::make_shared<Leaving>()));
  if (const auto watcher = watcher_.lock()) {
    watcher->Watch(std::make_unique<Departure>(shared_from_this(), leaving_.back()));
  }
}

void CudaDevice::TakeBack() {
  std::erase_if(leaving_, [&](const auto& leaving) {
    if (!leaving->IsOver()) return false;
    for (const cuda::DeviceAddress address : leaving->memory) api().pool_free(address, own_);
    for (void* address : leaving->pinned) pinned_.Recycle(address);
    return true;
  });
}

void CudaDevice::Reap(std::chrono::microseconds patience) {
  SendOff();
  const CudaContext::Scope scope(*context_);
  const auto until = std::chrono::steady_clock::now() + patience;
  for (const auto& leaving : leaving_) {
    while (!leaving->IsOver() && std::chrono::steady_clock::now() < until) {
      std::this_thread::yield();
    }
  }
  TakeBack();
  if (pool_ == nullptr) return;
  // The pool gives back what it has seen leave, and it looks when somebody waits.
  api().stream_synchronize(own_);
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
