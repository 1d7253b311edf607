#include "memory/host_driver.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>

#include "memory/invariant.h"
#include "memory/round_up.h"
#include "memory/timeline.h"

namespace vattention {
namespace {

constexpr uint64_t kMiB = 1024 * 1024;

DriverStatus Failed(const char* call, int code) {
  const bool memory = code == ENOMEM || code == ENOSPC;
  return {memory ? VATTN_OUT_OF_MEMORY : VATTN_DEVICE_ERROR, call, code};
}

void* Pointer(uintptr_t address) { return reinterpret_cast<void*>(address); }

// Mappings that the process may still make: what the system allows less what it has.
uint64_t MappingsLeft() {
  uint64_t allowed = 65530;  // the kernel's default
  if (FILE* file = std::fopen("/proc/sys/vm/max_map_count", "re")) {
    unsigned long long value = 0;
    if (std::fscanf(file, "%llu", &value) == 1) allowed = value;
    std::fclose(file);
  }
  uint64_t used = 0;
  if (FILE* file = std::fopen("/proc/self/maps", "re")) {
    char buffer[16384];
    for (size_t got; (got = std::fread(buffer, 1, sizeof(buffer), file)) > 0;) {
      used += static_cast<uint64_t>(std::count(buffer, buffer + got, '\n'));
    }
    std::fclose(file);
  }
  return allowed > used ? allowed - used : 0;
}

// Puts inaccessible address space over a range.
int CoverWithNothing(uintptr_t address, uint64_t bytes) {
  void* got = mmap(Pointer(address), bytes, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  return got == MAP_FAILED ? errno : 0;
}

}  // namespace

const std::vector<uint64_t>& HostDriver::DefaultPageClasses() {
  static const std::vector<uint64_t> classes = {64 * 1024, 2 * kMiB};
  return classes;
}

uint64_t HostDriver::MaxReservation() {
#if defined(VATTN_THREAD_SANITIZER) || defined(__SANITIZE_THREAD__)
  return uint64_t{1} << 40;  // ThreadSanitizer's shadow leaves less than 2^41
#else
  return uint64_t{1} << 46;  // half of the 47 bits that a process has
#endif
}

std::unique_ptr<HostDriver> HostDriver::Make(const char* cgroup_root, DriverStatus* status) {
  const int file = memfd_create("vattention-kv-cache", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (file < 0) {
    *status = Failed("memfd_create", errno);
    return nullptr;
  }
  if (ftruncate(file, static_cast<off_t>(HostArena::kFileBytes)) != 0) {
    *status = Failed("ftruncate", errno);
    close(file);
    return nullptr;
  }
  // Nobody who is given the file can take memory away under us. Not every system has seals.
  static_cast<void>(fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
  *status = {};
  return std::unique_ptr<HostDriver>(new HostDriver(file, cgroup_root));
}

HostDriver::HostDriver(int file, const char* cgroup_root) : file_(file), memory_(cgroup_root) {
  limits_.page_classes = DefaultPageClasses();
  limits_.granularity = kGranularity;
  limits_.memory_bytes = memory_.total_bytes();
  // At the limit every mmap of the process fails, malloc's and thread creation too: leave a
  // quarter.
  limits_.mapping_budget = MappingsLeft() / 4 * 3;
  limits_.max_reservation = MaxReservation();
  limits_.run_mapping = true;
  limits_.remap_under_readers = true;
  limits_.splittable = true;
  limits_.synchronous = true;
}

HostDriver::~HostDriver() { close(file_); }

DriverStatus HostDriver::Reserve(uint64_t bytes, uintptr_t* address) {
  const uint64_t alignment = limits_.page_classes.back();
  const uint64_t padded = bytes + alignment;
  void* got = mmap(nullptr, padded, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (got == MAP_FAILED) return Failed("mmap", errno);
  const auto start = reinterpret_cast<uintptr_t>(got);
  const uintptr_t aligned = RoundUp(start, alignment);
  if (aligned > start) munmap(got, aligned - start);
  const uintptr_t end = start + padded;
  if (end > aligned + bytes) munmap(Pointer(aligned + bytes), end - (aligned + bytes));
  *address = aligned;
  return {};
}

DriverStatus HostDriver::FreeReservation(uintptr_t address, uint64_t bytes) {
  return munmap(Pointer(address), bytes) == 0 ? DriverStatus{} : Failed("munmap", errno);
}

DriverStatus HostDriver::Create(uint64_t page_bytes, int count, PageHandle after,
                                std::vector<PageHandle>* handles) {
  const uint64_t bytes = page_bytes * static_cast<uint64_t>(count);
  if (bytes > HostArena::kLaneBytes) return {VATTN_INVALID_ARGUMENT, "create: more than a lane", 0};
  // A control group at its limit would answer fallocate with the OOM killer.
  if (!HasRoomFor(bytes)) return Failed("fallocate: no memory available", ENOMEM);
  PageHandle first;
  {
    std::lock_guard lock(mutex_);
    first = arena_.Take(page_bytes, count, after);
  }
  int result;
  do {
    result = fallocate(file_, 0, static_cast<off_t>(first), static_cast<off_t>(bytes));
  } while (result != 0 && errno == EINTR);
  if (result != 0) {
    const int code = errno;
    std::lock_guard lock(mutex_);
    for (int i = 0; i < count; ++i) {
      arena_.GiveBack(first + static_cast<uint64_t>(i) * page_bytes, page_bytes);
    }
    return Failed("fallocate", code);
  }
  for (int i = 0; i < count; ++i) {
    handles->push_back(first + static_cast<uint64_t>(i) * page_bytes);
  }
  return {};
}

bool HostDriver::HasRoomFor(uint64_t bytes) {
  constexpr int64_t kStaleNs = 100'000'000;  // others take memory too
  constexpr uint64_t kShare = 8;             // use an eighth of what is left before asking again
  const int64_t now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                          std::chrono::steady_clock::now().time_since_epoch())
                          .count();
  std::lock_guard lock(mutex_);
  if (bytes <= headroom_ && now - asked_at_ns_ < kStaleNs) {
    headroom_ -= bytes;
    return true;
  }
  headroom_ = 0;
  const uint64_t available = memory_.AvailableBytes();
  if (available < bytes) return false;
  headroom_ = (available - bytes) / kShare;
  asked_at_ns_ = now;
  return true;
}

DriverStatus HostDriver::Release(PageHandle handle, uint64_t page_bytes) {
  {
    std::lock_guard lock(mutex_);
    VATTN_CHECK(arena_.Holds(handle, page_bytes));
  }
  int result;
  do {
    result = fallocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                       static_cast<off_t>(handle), static_cast<off_t>(page_bytes));
  } while (result != 0 && errno == EINTR);
  if (result != 0) return Failed("fallocate(PUNCH_HOLE)", errno);
  std::lock_guard lock(mutex_);
  arena_.GiveBack(handle, page_bytes);
  return {};
}

DriverStatus HostDriver::Split(PageHandle handle, uint64_t page_bytes, uint64_t part_bytes) {
  std::lock_guard lock(mutex_);
  arena_.Split(handle, page_bytes, part_bytes);
  return {};
}

DriverStatus HostDriver::Map(uintptr_t address, std::span<const PagePiece> pages, bool read_only) {
  // Populated: one call fills the page table for a third of what faults cost later, and in the
  // mapper's thread instead of a kernel's.
  const int protection = read_only ? PROT_READ : PROT_READ | PROT_WRITE;
  uintptr_t at = address;
  for (size_t i = 0; i < pages.size();) {
    const PageHandle first = pages[i].handle;
    uint64_t bytes = 0;
    while (i < pages.size() && pages[i].handle == first + bytes) bytes += pages[i++].bytes;
    void* got = mmap(Pointer(at), bytes, protection, MAP_SHARED | MAP_FIXED | MAP_POPULATE, file_,
                     static_cast<off_t>(first));
    if (got == MAP_FAILED) {
      const int code = errno;
      if (at > address) Unmap(address, at - address);
      return Failed("mmap", code);
    }
    at += bytes;
  }
  return {};
}

DriverStatus HostDriver::Unmap(uintptr_t address, uint64_t bytes) {
  const int code = CoverWithNothing(address, bytes);
  if (code == 0) return {};
  // At the limit of mappings nothing new can be mapped, this overlay included; taking all rights
  // from a whole mapping needs no new one, and the next Map replaces it.
  if (code == ENOMEM && mprotect(Pointer(address), bytes, PROT_NONE) == 0) return {};
  return Failed("mmap", code);
}

DriverStatus HostDriver::Zero(uintptr_t address, uint64_t bytes) {
  std::memset(Pointer(address), 0, bytes);
  return {};
}

DriverStatus HostDriver::Copy(uintptr_t to, uintptr_t from, uint64_t bytes) {
  std::memcpy(Pointer(to), Pointer(from), bytes);
  return {};
}

DriverStatus HostDriver::Record(vattn_stream stream, std::unique_ptr<DriverEvent>* event) {
  return RecordTimeline(stream, event);
}

DriverStatus HostDriver::MakeStreamWait(vattn_stream) { return {}; }

DriverStatus HostDriver::WaitFor(DriverEvent* event) {
  while (!event->Done()) std::this_thread::yield();
  return {};
}

DriverStatus HostDriver::RecordOwn(std::unique_ptr<DriverEvent>* event) {
  event->reset();
  return {};
}

// One file holds them all.
DriverStatus HostDriver::Export(std::span<const PagePiece> pages, bool writable,
                                std::vector<int>* files, std::vector<PagePlace>* places) {
  // A new opening of the file: its descriptor cannot be mapped for writing.
  char path[64];
  std::snprintf(path, sizeof(path), "/proc/self/fd/%d", file_);
  const int file = writable ? fcntl(file_, F_DUPFD_CLOEXEC, 0) : open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return {VATTN_DEVICE_ERROR, writable ? "fcntl(F_DUPFD_CLOEXEC)" : "open", errno};
  for (const PagePiece& page : pages) {
    places->push_back({static_cast<int>(files->size()), page.handle});
  }
  files->push_back(file);
  return {};
}

DriverStatus HostDriver::MapExported(uintptr_t address, uint64_t bytes, int file, uint64_t offset,
                                     bool read_only) {
  // Past the end of a file there is no memory, and no error before it is touched.
  struct stat about;
  if (fstat(file, &about) != 0) return Failed("fstat", errno);
  const auto size = static_cast<uint64_t>(about.st_size);
  if (offset > size || bytes > size - offset) return Failed("mmap", EINVAL);
  const int protection = read_only ? PROT_READ : PROT_READ | PROT_WRITE;
  void* got = mmap(Pointer(address), bytes, protection, MAP_SHARED | MAP_FIXED, file,
                   static_cast<off_t>(offset));
  return got == MAP_FAILED ? Failed("mmap", errno) : DriverStatus{};
}

uint64_t HostDriver::CommittedBytes() const {
  struct stat about;
  return fstat(file_, &about) == 0 ? static_cast<uint64_t>(about.st_blocks) * 512 : 0;
}

}  // namespace vattention
