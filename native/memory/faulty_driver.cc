#include "memory/faulty_driver.h"

#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

namespace vattention {
namespace {

const char* NameOf(vattn_driver_call kind) {
  switch (kind) {
    case VATTN_CALL_RESERVE:
      return "reserve (injected)";
    case VATTN_CALL_CREATE:
      return "create (injected)";
    case VATTN_CALL_MAP:
      return "map (injected)";
    case VATTN_CALL_UNMAP:
      return "unmap (injected)";
    case VATTN_CALL_RELEASE:
      return "release (injected)";
    case VATTN_CALL_ZERO:
      return "zero (injected)";
    case VATTN_CALL_COPY:
      return "copy (injected)";
    case VATTN_CALL_EVENT:
      return "event (injected)";
    case VATTN_CALL_ANY:
      break;
  }
  return "call (injected)";
}

bool TakesMemory(vattn_driver_call kind) {
  return kind == VATTN_CALL_RESERVE || kind == VATTN_CALL_CREATE || kind == VATTN_CALL_MAP;
}

}  // namespace

FaultyDriver::FaultyDriver(std::unique_ptr<Driver> inner, const vattn_fault_plan& plan)
    : inner_(std::move(inner)), limits_(inner_->limits()), plan_(plan) {
  if (plan.deferred != 0) limits_.synchronous = false;
}

void FaultyDriver::Arm(const vattn_fault_plan& plan) {
  std::lock_guard lock(mutex_);
  plan_ = plan;
  matching_ = 0;
}

uint64_t FaultyDriver::calls() const {
  std::lock_guard lock(mutex_);
  return calls_;
}

DriverStatus FaultyDriver::Enter(vattn_driver_call kind) {
  int32_t delay_us = 0;
  DriverStatus status;
  {
    std::lock_guard lock(mutex_);
    ++calls_;
    if (kind != VATTN_CALL_RESERVE && kind != VATTN_CALL_EVENT) delay_us = plan_.delay_us;
    if (plan_.fail_kind == VATTN_CALL_ANY || plan_.fail_kind == kind) {
      ++matching_;
      const int64_t count = plan_.fail_count == 0 ? 1 : plan_.fail_count;
      if (plan_.fail_call > 0 && matching_ >= plan_.fail_call &&
          matching_ - plan_.fail_call < count) {
        const int code = plan_.fail_code == 0 ? ENOMEM : plan_.fail_code;
        const bool memory = (code == ENOMEM || code == ENOSPC) && TakesMemory(kind);
        status = {memory ? VATTN_OUT_OF_MEMORY : VATTN_DEVICE_ERROR, NameOf(kind), code};
      }
    }
  }
  if (delay_us > 0) std::this_thread::sleep_for(std::chrono::microseconds(delay_us));
  return status;
}

DriverStatus FaultyDriver::Reserve(uint64_t bytes, uintptr_t* address) {
  if (DriverStatus status = Enter(VATTN_CALL_RESERVE); !status.ok()) return status;
  return inner_->Reserve(bytes, address);
}

// Ends things and so never fails on purpose.
DriverStatus FaultyDriver::FreeReservation(uintptr_t address, uint64_t bytes) {
  return inner_->FreeReservation(address, bytes);
}

DriverStatus FaultyDriver::Create(uint64_t page_bytes, int count, PageHandle after,
                                  std::vector<PageHandle>* handles) {
  if (DriverStatus status = Enter(VATTN_CALL_CREATE); !status.ok()) return status;
  return inner_->Create(page_bytes, count, after, handles);
}

DriverStatus FaultyDriver::Release(PageHandle handle, uint64_t page_bytes) {
  if (DriverStatus status = Enter(VATTN_CALL_RELEASE); !status.ok()) return status;
  return inner_->Release(handle, page_bytes);
}

// Bookkeeping, no call to a device.
DriverStatus FaultyDriver::Split(PageHandle handle, uint64_t page_bytes, uint64_t part_bytes) {
  return inner_->Split(handle, page_bytes, part_bytes);
}

DriverStatus FaultyDriver::Map(uintptr_t address, std::span<const PagePiece> pages,
                               bool read_only) {
  if (DriverStatus status = Enter(VATTN_CALL_MAP); !status.ok()) return status;
  return inner_->Map(address, pages, read_only);
}

DriverStatus FaultyDriver::Unmap(uintptr_t address, uint64_t bytes) {
  if (DriverStatus status = Enter(VATTN_CALL_UNMAP); !status.ok()) return status;
  return inner_->Unmap(address, bytes);
}

DriverStatus FaultyDriver::Zero(uintptr_t address, uint64_t bytes) {
  if (DriverStatus status = Enter(VATTN_CALL_ZERO); !status.ok()) return status;
  return inner_->Zero(address, bytes);
}

DriverStatus FaultyDriver::Copy(uintptr_t to, uintptr_t from, uint64_t bytes) {
  if (DriverStatus status = Enter(VATTN_CALL_COPY); !status.ok()) return status;
  return inner_->Copy(to, from, bytes);
}

DriverStatus FaultyDriver::ZeroRows(uintptr_t address, uint64_t bytes, uint64_t pitch,
                                    int64_t rows) {
  if (DriverStatus status = Enter(VATTN_CALL_ZERO); !status.ok()) return status;
  return inner_->ZeroRows(address, bytes, pitch, rows);
}

DriverStatus FaultyDriver::CopyRows(uintptr_t to, uintptr_t from, uint64_t bytes, uint64_t pitch,
                                    int64_t rows) {
  if (DriverStatus status = Enter(VATTN_CALL_COPY); !status.ok()) return status;
  return inner_->CopyRows(to, from, bytes, pitch, rows);
}

DriverStatus FaultyDriver::CopyPlanes(uintptr_t to, uintptr_t from, const Planes& planes) {
  if (DriverStatus status = Enter(VATTN_CALL_COPY); !status.ok()) return status;
  return inner_->CopyPlanes(to, from, planes);
}

DriverStatus FaultyDriver::Record(vattn_stream stream, std::unique_ptr<DriverEvent>* event) {
  if (DriverStatus status = Enter(VATTN_CALL_EVENT); !status.ok()) return status;
  return inner_->Record(stream, event);
}

DriverStatus FaultyDriver::MakeStreamWait(vattn_stream stream) {
  if (DriverStatus status = Enter(VATTN_CALL_EVENT); !status.ok()) return status;
  return inner_->MakeStreamWait(stream);
}

DriverStatus FaultyDriver::WaitFor(DriverEvent* event) {
  if (DriverStatus status = Enter(VATTN_CALL_EVENT); !status.ok()) return status;
  return inner_->WaitFor(event);
}

DriverStatus FaultyDriver::RecordOwn(std::unique_ptr<DriverEvent>* event) {
  if (DriverStatus status = Enter(VATTN_CALL_EVENT); !status.ok()) return status;
  return inner_->RecordOwn(event);
}

// Neither moves memory of this cache.
DriverStatus FaultyDriver::Export(std::span<const PagePiece> pages, bool writable,
                                  std::vector<int>* files, std::vector<PagePlace>* places) {
  return inner_->Export(pages, writable, files, places);
}

DriverStatus FaultyDriver::MapExported(uintptr_t address, uint64_t bytes, int file, uint64_t offset,
                                       bool read_only) {
  return inner_->MapExported(address, bytes, file, offset, read_only);
}

}  // namespace vattention
