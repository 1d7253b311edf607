#include "memory/fence.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

struct vattn_fence {
  vattention::FencePtr fence;
};

namespace vattention {
namespace {

bool HasPassed(const Fence::Point& point) {
  std::lock_guard lock(point.stream->mutex);
  return point.stream->detached || point.event->Done();
}

// A pass of a model takes milliseconds: spin shortly for the last moments of one, then sleep in
// slices that are short against it.
template <typename Passed>
void WaitUntil(const Passed& passed) {
  for (int i = 0; i < 1000; ++i) {
    if (passed()) return;
  }
  while (!passed()) std::this_thread::sleep_for(std::chrono::microseconds(50));
}

}  // namespace

FencePtr Fence::Both(FencePtr a, FencePtr b) {
  if (vattention::Passed(a)) return b;
  if (vattention::Passed(b)) return a;
  auto both = std::make_shared<Fence>(std::vector<Point>{});
  both->parts_ = {std::move(a), std::move(b)};
  return both;
}

bool Fence::Passed() const {
  if (passed_.load(std::memory_order_acquire)) return true;
  if (!std::ranges::all_of(points_, HasPassed)) return false;
  for (const auto& part : parts_) {
    if (!part->Passed()) return false;
  }
  passed_.store(true, std::memory_order_release);
  return true;
}

void Fence::WaitOnHost() const {
  WaitUntil([this] { return Passed(); });
}

DriverStatus Fence::WaitBeforeOwnWork(Driver* driver) const {
  if (driver->limits().synchronous) {
    WaitOnHost();
    return {};
  }
  for (const Point& point : points_) {
    // A thread of the host can only be waited for; it may need the stream's lock meanwhile.
    if (point.stream->stream.device_type == VATTN_DEVICE_CPU) {
      WaitUntil([&] { return HasPassed(point); });
      continue;
    }
    std::lock_guard lock(point.stream->mutex);
    if (point.stream->detached) continue;
    if (DriverStatus status = driver->WaitFor(point.event.get()); !status.ok()) return status;
  }
  for (const auto& part : parts_) {
    if (DriverStatus status = part->WaitBeforeOwnWork(driver); !status.ok()) return status;
  }
  return {};
}

DriverStatus Fence::MakeStreamWait(vattn_stream stream) const {
  for (const Point& point : points_) {
    std::lock_guard lock(point.stream->mutex);
    if (point.stream->detached || point.event->Done()) continue;
    if (DriverStatus status = point.event->MakeStreamWait(stream); !status.ok()) return status;
  }
  for (const auto& part : parts_) {
    if (DriverStatus status = part->MakeStreamWait(stream); !status.ok()) return status;
  }
  return {};
}

std::vector<StreamRegistry::Entry>::const_iterator StreamRegistry::Find(vattn_stream stream) const {
  return std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    const vattn_stream& other = entry.stream->stream;
    return other.handle == stream.handle && other.device_type == stream.device_type &&
           other.device_index == stream.device_index;
  });
}

bool StreamRegistry::IsAttached(vattn_stream stream) const {
  std::lock_guard lock(mutex_);
  return Find(stream) != entries_.end();
}

Status StreamRegistry::Attach(vattn_stream stream) {
  std::unique_ptr<DriverEvent> event;  // tells whether the driver knows such streams
  if (DriverStatus status = record_(stream, &event); !status.ok()) {
    return Status::OfDriver(status, "attaching a stream");
  }
  std::lock_guard lock(mutex_);
  if (auto found = Find(stream); found != entries_.end()) {
    ++entries_[static_cast<size_t>(found - entries_.begin())].count;
    return {};
  }
  auto attached = std::make_shared<AttachedStream>();
  attached->stream = stream;
  entries_.push_back({std::move(attached), 1});
  return {};
}

Status StreamRegistry::Detach(vattn_stream stream) {
  std::lock_guard lock(mutex_);
  auto found = Find(stream);
  if (found == entries_.end()) {
    return Status::InvalidArgument("expected an attached stream, received handle ", stream.handle,
                                   "; attach it first and detach it once per attach.");
  }
  Entry& entry = entries_[static_cast<size_t>(found - entries_.begin())];
  if (entry.count > 1) {
    --entry.count;
    return {};
  }
  std::vector<Fence::Point> points;
  if (DriverStatus status = RecordPoint(entry, &points); !status.ok()) {
    return Status::OfDriver(status, "detaching a stream");
  }
  if (points.empty()) {
    std::lock_guard stream_lock(entry.stream->mutex);
    entry.stream->detached = true;
  } else if (stream.device_type == VATTN_DEVICE_CPU) {
    return Status::Error(VATTN_BUSY,
                         "the stream has work in flight; wait for it, then detach the stream.");
  } else {
    ForgetPassed();
    leaving_.push_back(std::make_shared<Fence>(std::move(points)));
  }
  entries_.erase(found);
  return {};
}

DriverStatus StreamRegistry::RecordPoint(const Entry& entry,
                                         std::vector<Fence::Point>* points) const {
  std::lock_guard lock(entry.stream->mutex);
  std::unique_ptr<DriverEvent> event;
  if (DriverStatus status = record_(entry.stream->stream, &event); !status.ok()) return status;
  if (!event->Done()) points->push_back({entry.stream, std::move(event)});
  return {};
}

Status StreamRegistry::Record(vattn_stream stream, FencePtr* fence) const {
  fence->reset();
  std::lock_guard lock(mutex_);
  auto found = Find(stream);
  if (found == entries_.end()) {
    if (stream.device_type == VATTN_DEVICE_CPU && stream.handle == 0) return {};
    return Status::InvalidArgument("expected an attached stream, received handle ", stream.handle,
                                   "; attach it before recording a fence.");
  }
  std::vector<Fence::Point> points;
  if (DriverStatus status = RecordPoint(*found, &points); !status.ok()) {
    return Status::OfDriver(status, "recording a fence");
  }
  if (!points.empty()) *fence = std::make_shared<Fence>(std::move(points));
  return {};
}

Status StreamRegistry::RecordAll(FencePtr* fence) const {
  fence->reset();
  std::lock_guard lock(mutex_);
  std::vector<Fence::Point> points;
  for (const Entry& entry : entries_) {
    if (DriverStatus status = RecordPoint(entry, &points); !status.ok()) {
      return Status::OfDriver(status, "recording a fence");
    }
  }
  if (!points.empty()) *fence = std::make_shared<Fence>(std::move(points));
  ForgetPassed();
  for (const FencePtr& left : leaving_) *fence = Fence::Both(*fence, left);
  return {};
}

void StreamRegistry::ForgetPassed() const {
  std::erase_if(leaving_, [](const FencePtr& left) { return left->Passed(); });
}

vattn_fence* MakeFenceHandle(FencePtr fence) { return new vattn_fence{std::move(fence)}; }

FencePtr FenceOf(const vattn_fence* handle) { return handle == nullptr ? nullptr : handle->fence; }

int32_t FenceHandleDone(vattn_fence* handle) { return Passed(handle->fence) ? 1 : 0; }

void ReleaseFenceHandle(vattn_fence* handle) { delete handle; }

}  // namespace vattention
