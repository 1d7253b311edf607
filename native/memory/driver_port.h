// The driver as the manager calls it: every call is counted, for the cache and for one operation.
#ifndef VATTENTION_NATIVE_MEMORY_DRIVER_PORT_H_
#define VATTENTION_NATIVE_MEMORY_DRIVER_PORT_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "memory/driver.h"

namespace vattention::memory {

// What one operation asked of the driver.
struct Tally {
  uint32_t calls = 0;
  uint64_t mapped_bytes = 0;
  uint64_t zeroed_bytes = 0;
  uint64_t copied_bytes = 0;
};

// Counters since the cache was made. Only what succeeded, but for `calls`.
struct DriverCounters {
  std::atomic<uint64_t> calls{0};
  std::atomic<uint64_t> pages_created{0};
  std::atomic<uint64_t> pages_released{0};
  std::atomic<uint64_t> pages_mapped{0};
  std::atomic<uint64_t> pages_unmapped{0};
  std::atomic<uint64_t> zeroed_bytes{0};
};

class DriverPort {
 public:
  explicit DriverPort(std::unique_ptr<Driver> driver) : driver_(std::move(driver)) {}

  Driver* driver() const { return driver_.get(); }
  const DriverLimits& limits() const { return driver_->limits(); }
  const DriverCounters& counters() const { return counters_; }

  DriverStatus Create(uint64_t page_bytes, int count, PageHandle after,
                      std::vector<PageHandle>* handles, Tally* tally) {
    Count(tally);
    DriverStatus status = driver_->Create(page_bytes, count, after, handles);
    if (status.ok()) Add(&counters_.pages_created, static_cast<uint64_t>(count));
    return status;
  }
  DriverStatus Release(PageHandle handle, uint64_t page_bytes, Tally* tally) {
    Count(tally);
    DriverStatus status = driver_->Release(handle, page_bytes);
    if (status.ok()) Add(&counters_.pages_released, 1);
    return status;
  }
  DriverStatus Map(uintptr_t address, std::span<const PagePiece> pages, Tally* tally) {
    Count(tally);
    DriverStatus status = driver_->Map(address, pages, false);
    if (status.ok()) {
      Add(&counters_.pages_mapped, pages.size());
      for (const PagePiece& piece : pages) tally->mapped_bytes += piece.bytes;
    }
    return status;
  }
  // `pages`: how many lie in the range.
  DriverStatus Unmap(uintptr_t address, uint64_t bytes, uint64_t pages, Tally* tally) {
    Count(tally);
    DriverStatus status = driver_->Unmap(address, bytes);
    if (status.ok()) Add(&counters_.pages_unmapped, pages);
    return status;
  }
  DriverStatus Zero(uintptr_t address, uint64_t bytes, Tally* tally) {
    Count(tally);
    DriverStatus status = driver_->Zero(address, bytes);
    if (status.ok()) {
      Add(&counters_.zeroed_bytes, bytes);
      tally->zeroed_bytes += bytes;
    }
    return status;
  }
  DriverStatus Copy(uintptr_t to, uintptr_t from, uint64_t bytes, Tally* tally) {
    Count(tally);
    DriverStatus status = driver_->Copy(to, from, bytes);
    if (status.ok()) tally->copied_bytes += bytes;
    return status;
  }

 private:
  static void Add(std::atomic<uint64_t>* counter, uint64_t amount) {
    counter->fetch_add(amount, std::memory_order_relaxed);
  }
  void Count(Tally* tally) {
    ++tally->calls;
    Add(&counters_.calls, 1);
  }

  const std::unique_ptr<Driver> driver_;
  DriverCounters counters_;
};

}  // namespace vattention::memory

#endif  // VATTENTION_NATIVE_MEMORY_DRIVER_PORT_H_
