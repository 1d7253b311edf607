// Fences: points in the order of the streams that use a cache.
//
// A stream is attached to a cache before it reads or writes it. A page that leaves a sequence may
// be unmapped, zeroed or given to somebody else only when a fence over every attached stream has
// passed. Both cache kinds use this file; it knows nothing of pages or blocks.
//
// A fence keeps nothing alive but itself: when a stream of the CPU is detached, which is only
// possible while it is idle, every fence that waits for it has passed, and its timeline is never
// looked at again.
#ifndef VATTENTION_NATIVE_MEMORY_FENCE_H_
#define VATTENTION_NATIVE_MEMORY_FENCE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "memory/driver.h"
#include "memory/status.h"
#include "vattention/kv_cache.h"

namespace vattention {

// One attached stream. Its events are asked under `mutex`, so that none is asked after detaching.
struct AttachedStream {
  vattn_stream stream;
  std::mutex mutex;
  bool detached = false;  // guarded by mutex
};

// One or more points. Immutable but for remembering that it has passed; any thread may ask.
class Fence {
 public:
  struct Point {
    std::shared_ptr<AttachedStream> stream;
    std::unique_ptr<DriverEvent> event;
  };
  explicit Fence(std::vector<Point> points) : points_(std::move(points)) {}
  // Passed when both have; either may be nullptr.
  static std::shared_ptr<const Fence> Both(std::shared_ptr<const Fence> a,
                                           std::shared_ptr<const Fence> b);

  // Never blocks.
  bool Passed() const;
  // Blocks the calling thread until it has passed.
  void WaitOnHost() const;
  // Makes the cache's own stream wait, where its work is asynchronous (driver.limits().synchronous
  // is false); else blocks the calling thread.
  DriverStatus WaitBeforeOwnWork(Driver* driver) const;
  // See DriverEvent::MakeStreamWait.
  DriverStatus MakeStreamWait(vattn_stream stream) const;

 private:
  std::vector<Point> points_;
  std::vector<std::shared_ptr<const Fence>> parts_;
  mutable std::atomic<bool> passed_{false};
};

// nullptr: nothing to wait for.
using FencePtr = std::shared_ptr<const Fence>;
inline bool Passed(const FencePtr& fence) { return fence == nullptr || fence->Passed(); }

// The streams attached to one cache. Thread-safe.
class StreamRegistry {
 public:
  using Recorder = std::function<DriverStatus(vattn_stream, std::unique_ptr<DriverEvent>*)>;
  // `record` makes the events: Driver::Record, or RecordTimeline.
  explicit StreamRegistry(Recorder record) : record_(std::move(record)) {}

  // Idempotent and counted: a stream attached twice is detached by the second Detach. Stream 0 of
  // the CPU needs no attaching and is accepted.
  Status Attach(vattn_stream stream);
  // The stream is never asked again. VATTN_BUSY while one of the CPU has work in flight, since its
  // timeline may go with its owner; what a stream of a device has in flight is still waited for, as
  // its events outlive it. VATTN_INVALID_ARGUMENT when it is not attached.
  Status Detach(vattn_stream stream);
  // The point that one attached stream is at; *fence is nullptr when it has passed already.
  Status Record(vattn_stream stream, FencePtr* fence) const;
  // The point that every attached stream is at now; nullptr when all have passed it already.
  Status RecordAll(FencePtr* fence) const;
  bool IsAttached(vattn_stream stream) const;

 private:
  struct Entry {
    std::shared_ptr<AttachedStream> stream;
    uint32_t count;
  };
  std::vector<Entry>::const_iterator Find(vattn_stream stream) const;
  DriverStatus RecordPoint(const Entry& entry, std::vector<Fence::Point>* points) const;
  void ForgetPassed() const;

  Recorder record_;
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
  // Where streams were that were detached with work in flight, until it has passed.
  mutable std::vector<FencePtr> leaving_;
};

// What a `vattn_fence*` of the C ABI points at.
vattn_fence* MakeFenceHandle(FencePtr fence);
FencePtr FenceOf(const vattn_fence* handle);  // NULL gives nullptr

// Entries of vattn_cache_api that every cache shares.
int32_t FenceHandleDone(vattn_fence* handle);
void ReleaseFenceHandle(vattn_fence* handle);

}  // namespace vattention

#endif  // VATTENTION_NATIVE_MEMORY_FENCE_H_
