#include "memory/cuda_driver.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "memory/timeline.h"

namespace vattention {

namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
// cuMemSetAccess was seen to fail at about 520,000 live mappings with memory free: leave a quarter.
constexpr uint64_t kMappingBudget = 390'000;
// Pitches of the driver's strided calls are 31 bits wide.
constexpr uint64_t kMaxPitch = (uint64_t{1} << 31) - 1;

DriverStatus Failed(const char* call, cuda::Result result) {
  return {result == cuda::kOutOfMemory ? VATTN_OUT_OF_MEMORY : VATTN_DEVICE_ERROR, call, result};
}
DriverStatus Check(const char* call, cuda::Result result) {
  return result == cuda::kSuccess ? DriverStatus{} : Failed(call, result);
}

class CudaEvent final : public DriverEvent {
 public:
  CudaEvent(std::shared_ptr<CudaContext> context, cuda::Event event)
      : context_(std::move(context)), event_(event) {}
  ~CudaEvent() override {
    const CudaContext::Scope scope(*context_);
    context_->api().event_destroy(event_);
  }
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;

  // After an error of the device nothing runs any more, so that there is nothing to wait for.
  bool Done() override {
    const CudaContext::Scope scope(*context_);
    return context_->api().event_query(event_) != cuda::kNotReady;
  }
  cuda::Event event() const { return event_; }

 private:
  const std::shared_ptr<CudaContext> context_;
  const cuda::Event event_;
};

cuda::Stream StreamOf(vattn_stream stream) {
  return reinterpret_cast<cuda::Stream>(static_cast<uintptr_t>(stream.handle));
}

}  // namespace

std::shared_ptr<CudaContext> CudaContext::Make(int device_index, std::string* why) {
  const cuda::Api* api = cuda::GetApi(why);
  if (api == nullptr) return nullptr;
  int count = 0;
  api->device_count(&count);
  if (device_index < 0 || device_index >= count) {
    *why = "There is no CUDA device " + std::to_string(device_index) + "; this machine has " +
           std::to_string(count) + ".";
    return nullptr;
  }
  cuda::DeviceIndex device = 0;
  api->device_get(&device, device_index);
  std::shared_ptr<CudaContext> context(new CudaContext(api, device_index, device));
  if (context->Attribute(cuda::kAttributeVirtualMemory) == 0) {
    *why = "CUDA device " + std::to_string(device_index) +
           " has no virtual memory management (a vGPU, or a very old GPU).";
    return nullptr;
  }
  if (const cuda::Result result = api->context_retain(&context->context_, device);
      result != cuda::kSuccess) {
    context->context_ = nullptr;
    *why = "CUDA device " + std::to_string(device_index) + " could not be opened: error " +
           std::to_string(result) + ".";
    return nullptr;
  }
  return context;
}

CudaContext::~CudaContext() {
  if (context_ != nullptr) api_->context_release(device_);
}

int CudaContext::Attribute(int attribute) const {
  int value = 0;
  return api_->device_attribute(&value, attribute, device_) == cuda::kSuccess ? value : 0;
}

const std::vector<uint64_t>& CudaDriver::DefaultPageClasses() {
  static const std::vector<uint64_t> classes = {2 * kMiB, 8 * kMiB, 32 * kMiB, 128 * kMiB};
  return classes;
}

std::unique_ptr<CudaDriver> CudaDriver::Make(int device_index, DriverStatus* status,
                                             std::string* why) {
  std::shared_ptr<CudaContext> context = CudaContext::Make(device_index, why);
  if (context == nullptr) {
    *status = {VATTN_UNSUPPORTED, "cuInit", 0};
    return nullptr;
  }
  std::unique_ptr<CudaDriver> driver(new CudaDriver(std::move(context)));
  const CudaContext::Scope scope(*driver->context_);
  *status = Check("cuStreamCreate",
                  driver->api_.stream_create(&driver->stream_, cuda::kStreamNonBlocking));
  if (!status->ok()) {
    *why = "A stream could not be made on the device: error " + std::to_string(status->code) + ".";
    return nullptr;
  }
  return driver;
}

CudaDriver::CudaDriver(std::shared_ptr<CudaContext> context)
    : context_(std::move(context)), api_(context_->api()) {
  properties_.location.id = context_->device_index();
  // Both have to be asked for when a page is made: handing it to another process or to a network
  // card later.
  if (context_->Attribute(cuda::kAttributePosixHandles) != 0) {
    properties_.handle_types = cuda::kHandlePosix;
  }
  properties_.rdma = context_->Attribute(cuda::kAttributeRdma) != 0 ? 1 : 0;

  const CudaContext::Scope scope(*context_);
  size_t granularity = 0;
  if (api_.granularity(&granularity, &properties_, cuda::kGranularityMinimum) != cuda::kSuccess) {
    granularity = kGranularity;
  }
  size_t total = 0;
  size_t free = 0;
  api_.memory_info(&free, &total);
  for (const uint64_t bytes : DefaultPageClasses()) {
    if (bytes % granularity == 0) limits_.page_classes.push_back(bytes);
  }
  if (limits_.page_classes.empty()) limits_.page_classes.push_back(granularity);
  limits_.granularity = granularity;
  limits_.memory_bytes = total;
  limits_.mapping_budget = kMappingBudget;
  limits_.max_reservation = kMaxReservation;
  limits_.zero_filled = false;
}

CudaDriver::~CudaDriver() {
  const CudaContext::Scope scope(*context_);
  // Work on the stream may still touch what is unmapped next.
  if (stream_ != nullptr) api_.stream_synchronize(stream_);
  for (const auto& [address, bytes] : mapped_) api_.memory_unmap(address, bytes);
  for (const auto& [handle, bytes] : created_) api_.memory_release(handle);
  for (const auto& [address, bytes] : reserved_) api_.address_free(address, bytes);
  if (stream_ != nullptr) api_.stream_destroy(stream_);
}

uint64_t CudaDriver::AvailableBytes() {
  const CudaContext::Scope scope(*context_);
  size_t free = 0;
  size_t total = 0;
  return api_.memory_info(&free, &total) == cuda::kSuccess ? free : 0;
}

DriverStatus CudaDriver::Reserve(uint64_t bytes, uintptr_t* address) {
  const CudaContext::Scope scope(*context_);
  const uint64_t unit = limits_.granularity;
  const uint64_t rounded = (bytes + unit - 1) / unit * unit;
  cuda::DeviceAddress got = 0;
  const cuda::Result result =
      api_.address_reserve(&got, rounded, limits_.page_classes.back(), 0, 0);
  if (result != cuda::kSuccess) return Failed("cuMemAddressReserve", result);
  *address = got;
  const std::lock_guard lock(mutex_);
  reserved_[got] = rounded;
  return {};
}

DriverStatus CudaDriver::FreeReservation(uintptr_t address, uint64_t bytes) {
  const CudaContext::Scope scope(*context_);
  if (DriverStatus status = Settle(); !status.ok()) return status;
  if (DriverStatus status = UnmapAll(address, bytes); !status.ok()) return status;
  uint64_t rounded = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto found = reserved_.find(address);
    if (found == reserved_.end()) return Failed("cuMemAddressFree", cuda::kInvalidValue);
    rounded = found->second;
    reserved_.erase(found);
  }
  return Check("cuMemAddressFree", api_.address_free(address, rounded));
}

DriverStatus CudaDriver::Create(uint64_t page_bytes, int count, PageHandle /*after*/,
                                std::vector<PageHandle>* handles) {
  const CudaContext::Scope scope(*context_);
  std::vector<PageHandle> made;
  made.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    cuda::AllocationHandle handle = 0;
    const cuda::Result result = api_.memory_create(&handle, page_bytes, &properties_, 0);
    if (result != cuda::kSuccess) {
      for (const PageHandle each : made) api_.memory_release(each);
      return Failed("cuMemCreate", result);
    }
    made.push_back(handle);
  }
  const std::lock_guard lock(mutex_);
  for (const PageHandle handle : made) created_[handle] = page_bytes;
  handles->insert(handles->end(), made.begin(), made.end());
  return {};
}

DriverStatus CudaDriver::Release(PageHandle handle, uint64_t /*page_bytes*/) {
  const CudaContext::Scope scope(*context_);
  const cuda::Result result = api_.memory_release(handle);
  if (result != cuda::kSuccess) return Failed("cuMemRelease", result);
  const std::lock_guard lock(mutex_);
  created_.erase(handle);
  return {};
}

DriverStatus CudaDriver::Split(PageHandle, uint64_t, uint64_t) {
  return {VATTN_UNSUPPORTED, "split: a CUDA allocation is mapped whole", 0};
}

DriverStatus CudaDriver::Map(uintptr_t address, std::span<const PagePiece> pages, bool read_only) {
  const CudaContext::Scope scope(*context_);
  uint64_t bytes = 0;
  DriverStatus status;
  size_t count = 0;
  for (; count < pages.size(); ++count) {
    const cuda::Result result =
        api_.memory_map(address + bytes, pages[count].bytes, 0, pages[count].handle, 0);
    if (result != cuda::kSuccess) {
      status = Failed("cuMemMap", result);
      break;
    }
    bytes += pages[count].bytes;
  }
  if (status.ok() && bytes > 0) {
    cuda::AccessDescriptor access;
    access.location = properties_.location;
    access.flags = read_only ? cuda::kAccessRead : cuda::kAccessReadWrite;
    status = Check("cuMemSetAccess", api_.set_access(address, bytes, &access, 1));
  }
  uint64_t at = 0;
  if (!status.ok()) {
    for (size_t i = 0; i < count; at += pages[i++].bytes) {
      api_.memory_unmap(address + at, pages[i].bytes);
    }
    return status;
  }
  const std::lock_guard lock(mutex_);
  for (const PagePiece& page : pages) {
    mapped_[address + at] = page.bytes;
    at += page.bytes;
  }
  return {};
}

DriverStatus CudaDriver::Unmap(uintptr_t address, uint64_t bytes) {
  const CudaContext::Scope scope(*context_);
  if (DriverStatus status = Settle(); !status.ok()) return status;
  return UnmapAll(address, bytes);
}

// Mapping by mapping: a range may have holes, which the driver's call would refuse.
DriverStatus CudaDriver::UnmapAll(uintptr_t address, uint64_t bytes) {
  std::vector<std::pair<uintptr_t, uint64_t>> found;
  {
    const std::lock_guard lock(mutex_);
    const auto end = mapped_.lower_bound(address + bytes);
    found.assign(mapped_.lower_bound(address), end);
  }
  for (const auto& [at, size] : found) {
    const cuda::Result result = api_.memory_unmap(at, size);
    if (result != cuda::kSuccess) return Failed("cuMemUnmap", result);
    const std::lock_guard lock(mutex_);
    mapped_.erase(at);
  }
  return {};
}

DriverStatus CudaDriver::Submitted(const char* call, cuda::Result result) {
  submitted_.fetch_add(1);
  return Check(call, result);
}

DriverStatus CudaDriver::Settle() {
  const uint64_t target = submitted_.load();
  if (settled_.load() >= target) return {};
  if (const cuda::Result result = api_.stream_synchronize(stream_); result != cuda::kSuccess) {
    return Failed("cuStreamSynchronize", result);
  }
  uint64_t settled = settled_.load();
  while (settled < target && !settled_.compare_exchange_weak(settled, target)) continue;
  return {};
}

DriverStatus CudaDriver::Zero(uintptr_t address, uint64_t bytes) {
  const CudaContext::Scope scope(*context_);
  if ((address | bytes) % sizeof(uint32_t) == 0) {
    return Submitted("cuMemsetD32Async", api_.set32(address, 0, bytes / sizeof(uint32_t), stream_));
  }
  return Submitted("cuMemsetD8Async", api_.set8(address, 0, bytes, stream_));
}

DriverStatus CudaDriver::Copy(uintptr_t to, uintptr_t from, uint64_t bytes) {
  const CudaContext::Scope scope(*context_);
  return Submitted("cuMemcpyDtoDAsync", api_.copy(to, from, bytes, stream_));
}

DriverStatus CudaDriver::ZeroRows(uintptr_t address, uint64_t bytes, uint64_t pitch, int64_t rows) {
  if (pitch > kMaxPitch) return Driver::ZeroRows(address, bytes, pitch, rows);
  const CudaContext::Scope scope(*context_);
  return Submitted("cuMemsetD2D8Async",
                   api_.set8_rows(address, pitch, 0, bytes, static_cast<size_t>(rows), stream_));
}

DriverStatus CudaDriver::CopyRows(uintptr_t to, uintptr_t from, uint64_t bytes, uint64_t pitch,
                                  int64_t rows) {
  if (pitch > kMaxPitch) return Driver::CopyRows(to, from, bytes, pitch, rows);
  const CudaContext::Scope scope(*context_);
  cuda::Copy2d copy;
  copy.from_device = from;
  copy.from_pitch = pitch;
  copy.to_device = to;
  copy.to_pitch = pitch;
  copy.bytes = bytes;
  copy.rows = static_cast<size_t>(rows);
  return Submitted("cuMemcpy2DAsync", api_.copy_rows(&copy, stream_));
}

DriverStatus CudaDriver::RecordOn(cuda::Stream stream, std::unique_ptr<DriverEvent>* event) {
  cuda::Event made = nullptr;
  cuda::Result result = api_.event_create(&made, cuda::kEventDisableTiming);
  if (result != cuda::kSuccess) return Failed("cuEventCreate", result);
  auto owned = std::make_unique<CudaEvent>(context_, made);
  result = api_.event_record(made, stream);
  if (result != cuda::kSuccess) return Failed("cuEventRecord", result);
  *event = std::move(owned);
  return {};
}

DriverStatus CudaDriver::Record(vattn_stream stream, std::unique_ptr<DriverEvent>* event) {
  // Threads of the host may use the cache too, through copies.
  if (stream.device_type == VATTN_DEVICE_CPU) return RecordTimeline(stream, event);
  if (stream.device_type != VATTN_DEVICE_CUDA || stream.device_index != context_->device_index()) {
    return {VATTN_INVALID_ARGUMENT, "record: not a stream of this CUDA device", 0};
  }
  const CudaContext::Scope scope(*context_);
  return RecordOn(StreamOf(stream), event);
}

DriverStatus CudaDriver::MakeStreamWait(vattn_stream stream) {
  if (stream.device_type != VATTN_DEVICE_CUDA) return {};
  const CudaContext::Scope scope(*context_);
  std::unique_ptr<DriverEvent> event;
  if (DriverStatus status = RecordOn(stream_, &event); !status.ok()) return status;
  return Check(
      "cuStreamWaitEvent",
      api_.stream_wait_event(StreamOf(stream), static_cast<CudaEvent*>(event.get())->event(), 0));
}

DriverStatus CudaDriver::WaitFor(DriverEvent* event) {
  const auto* own = dynamic_cast<CudaEvent*>(event);
  if (own == nullptr) {
    while (!event->Done()) std::this_thread::sleep_for(std::chrono::microseconds(50));
    return {};
  }
  const CudaContext::Scope scope(*context_);
  return Check("cuStreamWaitEvent", api_.stream_wait_event(stream_, own->event(), 0));
}

}  // namespace vattention
