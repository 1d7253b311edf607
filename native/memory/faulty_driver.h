// A driver that wraps another and makes some of its calls fail or slow, and counts them: for tests
// of everything above the driver.
#ifndef VATTENTION_NATIVE_MEMORY_FAULTY_DRIVER_H_
#define VATTENTION_NATIVE_MEMORY_FAULTY_DRIVER_H_

#include <memory>
#include <mutex>
#include <vector>

#include "memory/driver.h"
#include "vattention/contiguous_cache.h"

namespace vattention {

// A failing call is not passed on, so it changes nothing. ENOMEM and ENOSPC (the default) of
// reserve, create and map are reported as VATTN_OUT_OF_MEMORY, everything else as
// VATTN_DEVICE_ERROR.
class FaultyDriver final : public Driver {
 public:
  FaultyDriver(std::unique_ptr<Driver> inner, const vattn_fault_plan& plan);

  // From now on: counts start anew. Calls in flight on other threads belong to the old plan.
  void Arm(const vattn_fault_plan& plan);
  // Driver calls of any kind since it was made.
  uint64_t calls() const;
  Driver* inner() const { return inner_.get(); }

  const char* name() const override { return "faulty"; }
  const DriverLimits& limits() const override { return limits_; }
  uint64_t AvailableBytes() override { return inner_->AvailableBytes(); }
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
  // One call each, as they are for a driver that has strided calls.
  DriverStatus ZeroRows(uintptr_t address, uint64_t bytes, uint64_t pitch, int64_t rows) override;
  DriverStatus CopyRows(uintptr_t to, uintptr_t from, uint64_t bytes, uint64_t pitch,
                        int64_t rows) override;
  DriverStatus CopyPlanes(uintptr_t to, uintptr_t from, const Planes& planes) override;
  DriverStatus Record(vattn_stream stream, std::unique_ptr<DriverEvent>* event) override;
  DriverStatus MakeStreamWait(vattn_stream stream) override;
  DriverStatus WaitFor(DriverEvent* event) override;
  DriverStatus RecordOwn(std::unique_ptr<DriverEvent>* event) override;
  void Retire() override { inner_->Retire(); }
  DriverStatus Export(std::span<const PagePiece> pages, bool writable, std::vector<int>* files,
                      std::vector<PagePlace>* places) override;
  DriverStatus MapExported(uintptr_t address, uint64_t bytes, int file, uint64_t offset,
                           bool read_only) override;

 private:
  // Counts a call, sleeps if the plan says so, and says whether it fails.
  DriverStatus Enter(vattn_driver_call kind);

  const std::unique_ptr<Driver> inner_;
  DriverLimits limits_;  // of the inner one, unless the plan says otherwise
  mutable std::mutex mutex_;
  vattn_fault_plan plan_;  // guarded by mutex_
  uint64_t calls_ = 0;     // guarded by mutex_
  int64_t matching_ = 0;   // guarded by mutex_: calls of the plan's kind since it was armed
};

}  // namespace vattention

#endif  // VATTENTION_NATIVE_MEMORY_FAULTY_DRIVER_H_
