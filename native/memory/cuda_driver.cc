#include "memory/cuda_driver.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "memory/cuda_event.h"
#include "memory/round_up.h"
#include "memory/timeline.h"

namespace vattention {
namespace {

using cuda::Check;
using cuda::Failed;

constexpr uint64_t kMiB = uint64_t{1} << 20;
// cuMemSetAccess was seen to fail at about 520,000 live mappings with memory free: leave a quarter.
constexpr uint64_t kMappingBudget = 390'000;
// Pitches of the driver's strided calls are 31 bits wide.
constexpr uint64_t kMaxPitch = (uint64_t{1} << 31) - 1;

}  // namespace

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
  for (const auto& [address, mapping] : mapped_) {
    api_.memory_unmap(address, mapping.page.bytes);
  }
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
  const uint64_t rounded = RoundUp(bytes, limits_.granularity);
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
  if (DriverStatus status = Unmap(address, bytes); !status.ok()) return status;
  const CudaContext::Scope scope(*context_);
  // As in Release.
  decltype(reserved_)::node_type record;
  {
    const std::lock_guard lock(mutex_);
    record = reserved_.extract(address);
  }
  if (record.empty()) return Failed("cuMemAddressFree", cuda::kInvalidValue);
  const cuda::Result result = api_.address_free(address, record.mapped());
  if (result == cuda::kSuccess) return {};
  const std::lock_guard lock(mutex_);
  reserved_.insert(std::move(record));
  return Failed("cuMemAddressFree", result);
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
  // Forgotten first: once it is released, another thread may be given the same handle.
  decltype(created_)::node_type record;
  {
    const std::lock_guard lock(mutex_);
    record = created_.extract(handle);
  }
  const cuda::Result result = api_.memory_release(handle);
  if (result == cuda::kSuccess) return {};
  const std::lock_guard lock(mutex_);
  created_.insert(std::move(record));
  return Failed("cuMemRelease", result);
}

DriverStatus CudaDriver::Split(PageHandle, uint64_t, uint64_t) {
  return {VATTN_UNSUPPORTED, "split: a CUDA allocation is mapped whole", 0};
}

DriverStatus CudaDriver::Map(uintptr_t address, std::span<const PagePiece> pages, bool read_only) {
  const CudaContext::Scope scope(*context_);
  if (DriverStatus status = MapPages(address, pages, read_only); !status.ok()) return status;
  const std::lock_guard lock(mutex_);
  for (const PagePiece& page : pages) {
    mapped_[address] = {page, read_only};
    address += page.bytes;
  }
  return {};
}

// Without a record, all or none.
DriverStatus CudaDriver::MapPages(uintptr_t address, std::span<const PagePiece> pages,
                                  bool read_only) {
  uint64_t bytes = 0;
  DriverStatus status;
  size_t count = 0;
  for (; count < pages.size() && status.ok(); ++count) {
    status = Check("cuMemMap",
                   api_.memory_map(address + bytes, pages[count].bytes, 0, pages[count].handle, 0));
    if (!status.ok()) break;
    bytes += pages[count].bytes;
  }
  if (status.ok() && bytes > 0) {
    cuda::AccessDescriptor access;
    access.location = properties_.location;
    access.flags = read_only ? cuda::kAccessRead : cuda::kAccessReadWrite;
    cuda::Result result = api_.set_access(address, bytes, &access, 1);
    if (read_only && (result == cuda::kInvalidValue || result == cuda::kNotSupported)) {
      // Devices may know no other access to their own memory; it is there against mistakes only.
      access.flags = cuda::kAccessReadWrite;
      result = api_.set_access(address, bytes, &access, 1);
    }
    status = Check("cuMemSetAccess", result);
  }
  if (!status.ok()) {
    for (size_t i = 0; i < count; address += pages[i++].bytes) {
      api_.memory_unmap(address, pages[i].bytes);
    }
  }
  return status;
}

// Mapping by mapping: a range may have holes, which the driver's call would refuse.
DriverStatus CudaDriver::Unmap(uintptr_t address, uint64_t bytes) {
  const CudaContext::Scope scope(*context_);
  if (DriverStatus status = Settle(); !status.ok()) return status;
  std::vector<std::pair<uintptr_t, Mapping>> found;
  {
    const std::lock_guard lock(mutex_);
    found.assign(mapped_.lower_bound(address), mapped_.lower_bound(address + bytes));
  }
  DriverStatus status;
  size_t done = 0;
  for (; done < found.size(); ++done) {
    const auto& [at, mapping] = found[done];
    status = Check("cuMemUnmap", api_.memory_unmap(at, mapping.page.bytes));
    if (!status.ok()) break;
  }
  for (size_t i = 0; i < done; ++i) {
    const auto& [at, mapping] = found[i];
    // All or nothing: what went before a failure comes back, as far as the device still maps.
    if (!status.ok() && MapPages(at, {&mapping.page, 1}, mapping.read_only).ok()) continue;
    const std::lock_guard lock(mutex_);
    mapped_.erase(at);
  }
  return status;
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
  MarkSettled(target);
  return {};
}

void CudaDriver::MarkSettled(uint64_t submitted) {
  uint64_t settled = settled_.load();
  while (settled < submitted && !settled_.compare_exchange_weak(settled, submitted)) continue;
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
  if ((address | bytes | pitch) % sizeof(uint32_t) == 0) {
    return Submitted("cuMemsetD2D32Async",
                     api_.set32_rows(address, pitch, 0, bytes / sizeof(uint32_t),
                                     static_cast<size_t>(rows), stream_));
  }
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

DriverStatus CudaDriver::CopyPlanes(uintptr_t to, uintptr_t from, const Planes& planes) {
  const uint64_t height = planes.plane_pitch / planes.pitch;
  if (planes.plane_pitch % planes.pitch != 0 || height > kMaxPitch) {
    return Driver::CopyPlanes(to, from, planes);
  }
  const CudaContext::Scope scope(*context_);
  cuda::Copy3d copy;
  copy.from.device = from;
  copy.to.device = to;
  copy.from.pitch = copy.to.pitch = planes.pitch;
  copy.from.height = copy.to.height = height;
  copy.bytes = planes.bytes;
  copy.rows = static_cast<size_t>(planes.rows);
  copy.planes = static_cast<size_t>(planes.planes);
  return Submitted("cuMemcpy3DAsync", api_.copy_planes(&copy, stream_));
}

DriverStatus CudaDriver::Record(vattn_stream stream, std::unique_ptr<DriverEvent>* event) {
  // Threads of the host may use the cache too, through copies.
  if (stream.device_type == VATTN_DEVICE_CPU) return RecordTimeline(stream, event);
  if (stream.device_type != VATTN_DEVICE_CUDA || stream.device_index != context_->device_index()) {
    return {VATTN_INVALID_ARGUMENT, "record: not a stream of this CUDA device", 0};
  }
  std::unique_ptr<CudaEvent> recorded;
  DriverStatus status = CudaEvent::Record(context_, cuda::StreamOf(stream), &recorded);
  *event = std::move(recorded);
  return status;
}

DriverStatus CudaDriver::MakeStreamWait(vattn_stream stream) {
  if (stream.device_type != VATTN_DEVICE_CUDA) return {};
  // Asked by every pass, and most have nothing of ours to wait for. Read before the stream is
  // asked: what is submitted meanwhile is not known to have ended.
  const uint64_t submitted = submitted_.load();
  std::unique_ptr<CudaEvent> event;
  if (settled_.load() >= submitted) {
    event = CudaEvent::Past(context_);
  } else {
    if (DriverStatus status = CudaEvent::Record(context_, stream_, &event); !status.ok()) {
      return status;
    }
    if (event->IsPast()) MarkSettled(submitted);
  }
  return event->MakeStreamWait(stream);
}

DriverStatus CudaDriver::WaitFor(DriverEvent* event) {
  const DriverStatus waits =
      event->MakeStreamWait({VATTN_DEVICE_CUDA, context_->device_index(),
                             static_cast<uint64_t>(reinterpret_cast<uintptr_t>(stream_))});
  if (waits.status != VATTN_UNSUPPORTED) return waits;
  // A stream of the host.
  while (!event->Done()) std::this_thread::sleep_for(std::chrono::microseconds(50));
  return {};
}

DriverStatus CudaDriver::RecordOwn(std::unique_ptr<DriverEvent>* event) {
  std::unique_ptr<CudaEvent> recorded;
  DriverStatus status = CudaEvent::Record(context_, stream_, &recorded);
  if (status.ok() && recorded->Done()) recorded.reset();
  *event = std::move(recorded);
  return status;
}

// A stream takes half a megabyte of the device, and objects of JavaScript may outlive their cache.
void CudaDriver::Retire() {
  const CudaContext::Scope scope(*context_);
  if (stream_ == nullptr || !Settle().ok()) return;
  api_.stream_destroy(std::exchange(stream_, nullptr));
}

// The device's driver knows no read-only descriptors.
DriverStatus CudaDriver::Export(std::span<const PagePiece> pages, bool /*writable*/,
                                std::vector<int>* files, std::vector<PagePlace>* places) {
  if (properties_.handle_types == 0) {
    return {VATTN_UNSUPPORTED, "cuMemExportToShareableHandle", 0};
  }
  const CudaContext::Scope scope(*context_);
  const size_t before = files->size();
  for (const PagePiece& page : pages) {
    int file = -1;
    const cuda::Result result = api_.memory_export(&file, page.handle, cuda::kHandlePosix, 0);
    if (result != cuda::kSuccess) {
      while (files->size() > before) {
        close(files->back());
        files->pop_back();
        places->pop_back();
      }
      return Failed("cuMemExportToShareableHandle", result);
    }
    places->push_back({static_cast<int>(files->size()), 0});
    files->push_back(file);
  }
  return {};
}

DriverStatus CudaDriver::MapExported(uintptr_t address, uint64_t bytes, int file, uint64_t offset,
                                     bool read_only) {
  if (offset != 0) return Failed("cuMemMap", cuda::kInvalidValue);
  const CudaContext::Scope scope(*context_);
  PageHandle handle = kNoPage;
  {
    // A page that sequences share is mapped for each of them.
    const std::lock_guard lock(mutex_);
    const auto known = imported_.find(file);
    if (known != imported_.end()) handle = known->second;
  }
  if (handle == kNoPage) {
    auto* const descriptor = reinterpret_cast<void*>(static_cast<intptr_t>(file));
    const cuda::Result result = api_.memory_import(&handle, descriptor, cuda::kHandlePosix);
    if (result != cuda::kSuccess) return Failed("cuMemImportFromShareableHandle", result);
    const std::lock_guard lock(mutex_);
    imported_[file] = handle;
    created_[handle] = bytes;  // released with the driver
  }
  const PagePiece page{handle, bytes};
  return Map(address, {&page, 1}, read_only);
}

}  // namespace vattention
