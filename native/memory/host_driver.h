// The driver of the CPU: memfd + mmap.
//
// A sparse memfd is the arena; a page is a range of it, committed by fallocate (never by touching:
// a full system then answers with an error and not with a signal) and returned by punching a hole.
// Mapping is MAP_SHARED | MAP_FIXED over a PROT_NONE reservation, unmapping puts PROT_NONE back, so
// the reservation never has a hole that somebody else could map. Adjacent offsets at adjacent
// addresses merge into one mapping, and cost is per call, not per page.
#ifndef VATTENTION_NATIVE_MEMORY_HOST_DRIVER_H_
#define VATTENTION_NATIVE_MEMORY_HOST_DRIVER_H_

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "memory/cgroup.h"
#include "memory/driver.h"
#include "memory/host_arena.h"

namespace vattention {

class HostDriver final : public Driver {
 public:
  // Where the system's limits are read; nullptr: the system's own (MemoryLimits says what is read).
  // On failure returns nullptr and says why in *status.
  static std::unique_ptr<HostDriver> Make(const char* cgroup_root, DriverStatus* status);
  ~HostDriver() override;

  // The size classes it has when nobody asks for others: what geometry needs without a driver.
  static const std::vector<uint64_t>& DefaultPageClasses();
  static constexpr uint64_t kGranularity = 64 * 1024;
  // Address space that one reservation may take.
  static uint64_t MaxReservation();

  const char* name() const override { return "host"; }
  const DriverLimits& limits() const override { return limits_; }
  uint64_t AvailableBytes() override { return memory_.AvailableBytes(); }

  DriverStatus Reserve(uint64_t bytes, uintptr_t* address) override;
  DriverStatus FreeReservation(uintptr_t address, uint64_t bytes) override;
  DriverStatus Create(uint64_t page_bytes, int count, PageHandle after,
                      std::vector<PageHandle>* handles) override;
  DriverStatus Release(PageHandle handle, uint64_t page_bytes) override;
  DriverStatus Split(PageHandle handle, uint64_t page_bytes, uint64_t part_bytes) override;
  DriverStatus Map(uintptr_t address, std::span<const PagePiece> pages, bool read_only) override;
  DriverStatus Unmap(uintptr_t address, uint64_t bytes) override;
  DriverStatus Zero(uintptr_t address, uint64_t bytes) override;
  DriverStatus Copy(uintptr_t to, uintptr_t from, uint64_t bytes) override;
  DriverStatus Record(vattn_stream stream, std::unique_ptr<DriverEvent>* event) override;
  DriverStatus MakeStreamWait(vattn_stream stream) override;
  DriverStatus WaitFor(DriverEvent* event) override;
  DriverStatus RecordOwn(std::unique_ptr<DriverEvent>* event) override;
  DriverStatus Export(std::span<const PagePiece> pages, bool writable, std::vector<int>* files,
                      std::vector<PagePlace>* places) override;
  DriverStatus MapExported(uintptr_t address, uint64_t bytes, int file, uint64_t offset,
                           bool read_only) override;

  // Memory behind the arena, as the system counts it.
  uint64_t CommittedBytes() const;

 private:
  HostDriver(int file, const char* cgroup_root);
  // Whether `bytes` more can be committed. Asks the system only now and then: it costs as much as
  // committing a small page.
  bool HasRoomFor(uint64_t bytes);

  const int file_;
  const MemoryLimits memory_;
  DriverLimits limits_;
  std::mutex mutex_;
  HostArena arena_;          // guarded by mutex_
  uint64_t headroom_ = 0;    // guarded by mutex_: bytes to commit before the system is asked again
  int64_t asked_at_ns_ = 0;  // guarded by mutex_: steady clock
};

}  // namespace vattention

#endif  // VATTENTION_NATIVE_MEMORY_HOST_DRIVER_H_
