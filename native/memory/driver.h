// The one seam between the memory managers and a device: reserve, create, map, unmap, release,
// zero, copy, events. Everything above works on any driver; a CUDA (or HIP) driver slots in by
// implementing this class.
//
// Words: a *page* is one physical allocation of one size class, named by a PageHandle; a *range* is
// virtual addresses inside a reservation. Calls on disjoint pages and ranges may run at the same
// time from several threads. A call that fails changes nothing and leaves the failed driver call's
// name and code in its Status.
#ifndef VATTENTION_NATIVE_MEMORY_DRIVER_H_
#define VATTENTION_NATIVE_MEMORY_DRIVER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "vattention/device.h"

namespace vattention {

// CUDA: a CUmemGenericAllocationHandle. Host: the byte offset in the arena, so that pages at
// adjacent offsets mapped at adjacent addresses merge into one mapping.
using PageHandle = uint64_t;
inline constexpr PageHandle kNoPage = ~PageHandle{0};

// A status with what a user needs to act on it.
struct DriverStatus {
  vattn_status status = VATTN_OK;
  const char* call = "";  // static string: "fallocate", "cuMemCreate"
  int64_t code = 0;       // errno or CUresult
  bool ok() const { return status == VATTN_OK; }
};

// What may be mapped where, known before the first call.
struct DriverLimits {
  std::vector<uint64_t> page_classes;  // default size classes, ascending
  uint64_t granularity = 0;            // page classes and map addresses are multiples of it
  uint64_t memory_bytes = 0;           // most that could ever be created: RAM, cgroup, device
  uint64_t mapping_budget = 0;         // live mappings the process should stay below
  uint64_t max_reservation = 0;        // address space
  bool run_mapping = false;            // cost is per call, not per page: adjacent handles merge
  bool remap_under_readers = false;    // a mapped range may be replaced while it is being read
  bool splittable = false;             // Split works: a page is no more than its address range
  bool synchronous = false;            // Zero and Copy are done when they return
  bool zero_filled = true;             // new pages hold zeros; else anything
};

// One physical page in a call to Map.
struct PagePiece {
  PageHandle handle;
  uint64_t bytes;  // its size class
};

// Where a page lies for other processes.
struct PagePlace {
  int file;         // index into the files that it was exported with
  uint64_t offset;  // bytes
};

// Pieces of memory at equal distances in two dimensions: `planes` times `rows` pieces.
struct Planes {
  uint64_t bytes;        // of a piece
  uint64_t pitch;        // from a piece of a plane to the next
  int64_t rows;          // pieces in a plane
  uint64_t plane_pitch;  // from a plane to the next
  int64_t planes;
};

// A point in the order of a stream. Owned by the driver that made it.
class DriverEvent {
 public:
  virtual ~DriverEvent() = default;
  // True once everything submitted to the stream before Record has completed. Never blocks.
  virtual bool Done() = 0;
  // Makes `stream` do what it is given from now on after this point. VATTN_UNSUPPORTED where a
  // stream cannot wait: of the CPU, or for one.
  virtual DriverStatus MakeStreamWait(vattn_stream) { return {VATTN_UNSUPPORTED, "", 0}; }
};

class Driver {
 public:
  virtual ~Driver() = default;

  virtual const char* name() const = 0;
  virtual const DriverLimits& limits() const = 0;
  // Bytes that could be created right now (cgroup and device pressure included).
  virtual uint64_t AvailableBytes() = 0;

  // `bytes` of address space, aligned to the largest page class; no memory behind it.
  virtual DriverStatus Reserve(uint64_t bytes, uintptr_t* address) = 0;
  virtual DriverStatus FreeReservation(uintptr_t address, uint64_t bytes) = 0;

  // Appends `count` new pages of one class to *handles, all or none. `after` is the
  // page that the first should follow (kNoPage: anywhere): a hint for merging.
  // VATTN_OUT_OF_MEMORY when the device has no more.
  virtual DriverStatus Create(uint64_t page_bytes, int count, PageHandle after,
                              std::vector<PageHandle>* handles) = 0;
  // The page must not be mapped anywhere. Its memory goes back to the system.
  virtual DriverStatus Release(PageHandle handle, uint64_t page_bytes) = 0;

  // Makes one page into page_bytes / part_bytes pages with handles `handle`, `handle` + part_bytes,
  // ... wherever it is mapped; no memory moves. Only where limits().splittable.
  virtual DriverStatus Split(PageHandle handle, uint64_t page_bytes, uint64_t part_bytes) = 0;

  // Maps pages one after the other from `address` on, all or none, readable and writable (or
  // read-only, where the device knows that). The range must be inside a reservation; on drivers
  // with remap_under_readers it may be mapped already and is then replaced, and when that fails,
  // what was there stays if the pages make one run, else the range ends up unmapped. The same page
  // may be mapped at any number of addresses.
  virtual DriverStatus Map(uintptr_t address, std::span<const PagePiece> pages, bool read_only) = 0;
  // Unmaps whole pages that were mapped before; the range stays reserved. After a failure all of
  // them are mapped as before, but for what the device then refuses to map again.
  virtual DriverStatus Unmap(uintptr_t address, uint64_t bytes) = 0;

  // On the cache's own stream; on the host done when the call returns. Mapped memory only.
  virtual DriverStatus Zero(uintptr_t address, uint64_t bytes) = 0;
  virtual DriverStatus Copy(uintptr_t to, uintptr_t from, uint64_t bytes) = 0;
  // The same for `rows` pieces of `bytes`, `pitch` bytes apart. A driver with strided calls of its
  // own overrides these.
  virtual DriverStatus ZeroRows(uintptr_t address, uint64_t bytes, uint64_t pitch, int64_t rows) {
    DriverStatus status;
    for (int64_t i = 0; i < rows && status.ok(); ++i, address += pitch) {
      status = Zero(address, bytes);
    }
    return status;
  }
  virtual DriverStatus CopyRows(uintptr_t to, uintptr_t from, uint64_t bytes, uint64_t pitch,
                                int64_t rows) {
    DriverStatus status;
    for (int64_t i = 0; i < rows && status.ok(); ++i, to += pitch, from += pitch) {
      status = Copy(to, from, bytes);
    }
    return status;
  }
  virtual DriverStatus CopyPlanes(uintptr_t to, uintptr_t from, const Planes& planes) {
    DriverStatus status;
    for (int64_t i = 0; i < planes.planes && status.ok(); ++i) {
      status = CopyRows(to, from, planes.bytes, planes.pitch, planes.rows);
      to += planes.plane_pitch;
      from += planes.plane_pitch;
    }
    return status;
  }

  // Order between the caller's streams and the cache's own.
  virtual DriverStatus Record(vattn_stream stream, std::unique_ptr<DriverEvent>* event) = 0;
  // `stream` waits for what Zero and Copy have been asked to do so far.
  virtual DriverStatus MakeStreamWait(vattn_stream stream) = 0;
  // The cache's own stream waits for `event`, before a Zero or Copy that depends on it.
  virtual DriverStatus WaitFor(DriverEvent* event) = 0;
  // The point that Zero and Copy have been asked for so far; nullptr when they are done.
  virtual DriverStatus RecordOwn(std::unique_ptr<DriverEvent>* event) = 0;

  // Nothing will be zeroed, copied or ordered any more: gives back what that takes of the device.
  // Pages may still be unmapped and released.
  virtual void Retire() {}

  // Makes pages reachable for other processes: appends new descriptors, the caller's to close, to
  // *files, and for each page where it lies in them to *places. All or none. What is not `writable`
  // cannot be mapped for writing, where the system can tell. VATTN_UNSUPPORTED where memory cannot
  // be shared.
  virtual DriverStatus Export(std::span<const PagePiece> pages, bool writable,
                              std::vector<int>* files, std::vector<PagePlace>* places) = 0;
  // Maps a page that another process has exported, `bytes` from `offset` of a file on, at an
  // address inside a reservation. The file may be closed afterwards. Unmap takes the mapping away.
  virtual DriverStatus MapExported(uintptr_t address, uint64_t bytes, int file, uint64_t offset,
                                   bool read_only) = 0;
};

}  // namespace vattention

#endif  // VATTENTION_NATIVE_MEMORY_DRIVER_H_
