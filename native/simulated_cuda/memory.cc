#include "simulated_cuda/memory.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstring>
#include <iterator>

namespace vattention::simulated {
namespace {

constexpr int kNaN = 0xFF;  // of every dtype that a cache has
// Of larger pages only the ends, which cost less to have.
constexpr uint64_t kPoisoned = uint64_t{8} << 20;
// Getting memory from the system takes most of the time: what pages leave is used again.
constexpr uint64_t kMostIdle = uint64_t{1} << 30;

void* Anonymous(uint64_t bytes, int protection) {
  void* at = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return at == MAP_FAILED ? nullptr : at;
}

// What is there now can no longer be touched; the addresses stay taken.
void Hide(uintptr_t address, uint64_t bytes) {
  mmap(reinterpret_cast<void*>(address), bytes, PROT_NONE,
       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

int OpenFile(uint64_t bytes) {
  const int file = memfd_create("simulated-cuda", MFD_CLOEXEC);
  if (file < 0) return -1;
  if (ftruncate(file, static_cast<off_t>(bytes)) != 0) {
    close(file);
    return -1;
  }
  const uint64_t part = std::min(bytes, kPoisoned / 2);
  for (const uint64_t at : {uint64_t{0}, bytes - part}) {
    void* content =
        mmap(nullptr, part, PROT_READ | PROT_WRITE, MAP_SHARED, file, static_cast<off_t>(at));
    if (content == MAP_FAILED) continue;
    std::memset(content, kNaN, part);
    munmap(content, part);
  }
  return file;
}

// A page is a file, and there are more of them than a process usually has.
void AllowManyFiles() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

Memory& Memory::Get() {
  // Never destroyed: threads of queues go on until the process ends.
  static Memory* const memory = [] {
    AllowManyFiles();
    return new Memory;
  }();
  return *memory;
}

Memory::Page::~Page() {
  Memory& memory = Get();  // its mutex is held
  if (!imported) memory.used_[device] -= bytes;
  if (exported || imported || memory.idle_bytes_ + bytes > kMostIdle) {
    close(file);
  } else {
    memory.idle_files_[bytes].push_back(file);
    memory.idle_bytes_ += bytes;
  }
}

bool Memory::Take(int device, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (bytes > kDeviceBytes - used_[device]) return false;
  used_[device] += bytes;
  return true;
}

void Memory::GiveBack(int device, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  used_[device] -= bytes;
}

uint64_t Memory::FreeBytes(int device) const {
  const std::lock_guard lock(mutex_);
  return kDeviceBytes - used_[device];
}

cuda::Result Memory::Reserve(uint64_t bytes, uint64_t alignment, uintptr_t* address) {
  if (bytes == 0 || bytes % kPage != 0) return cuda::kInvalidValue;
  alignment = std::max(alignment, kPage);
  const auto whole = reinterpret_cast<uintptr_t>(Anonymous(bytes + alignment, PROT_NONE));
  if (whole == 0) return cuda::kOutOfMemory;
  const uintptr_t begin = (whole + alignment - 1) / alignment * alignment;
  if (begin > whole) munmap(reinterpret_cast<void*>(whole), begin - whole);
  const uintptr_t end = begin + bytes;
  munmap(reinterpret_cast<void*>(end), whole + bytes + alignment - end);
  const std::lock_guard lock(mutex_);
  reserved_[begin] = bytes;
  *address = begin;
  return cuda::kSuccess;
}

cuda::Result Memory::FreeReservation(uintptr_t address, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto found = reserved_.find(address);
  if (found == reserved_.end() || found->second != bytes) return cuda::kInvalidValue;
  const auto mapped = mapped_.lower_bound(address);
  if (mapped != mapped_.end() && mapped->first < address + bytes) return cuda::kInvalidValue;
  munmap(reinterpret_cast<void*>(address), bytes);
  reserved_.erase(found);
  return cuda::kSuccess;
}

cuda::Result Memory::Create(int device, uint64_t bytes, bool exportable, uint64_t* handle) {
  if (bytes == 0 || bytes % kPage != 0) return cuda::kInvalidValue;
  if (!Take(device, bytes)) return cuda::kOutOfMemory;
  const std::lock_guard lock(mutex_);
  std::vector<int>& idle = idle_files_[bytes];
  int file = -1;
  if (!idle.empty()) {
    file = idle.back();
    idle.pop_back();
    idle_bytes_ -= bytes;
  } else {
    file = OpenFile(bytes);
  }
  if (file < 0) {
    used_[device] -= bytes;
    return cuda::kOutOfMemory;
  }
  auto page = std::make_shared<Page>(device, bytes, file);
  page->exportable = exportable;
  *handle = next_handle_++;
  pages_[*handle] = std::move(page);
  return cuda::kSuccess;
}

cuda::Result Memory::Release(uint64_t handle) {
  const std::lock_guard lock(mutex_);
  return pages_.erase(handle) == 1 ? cuda::kSuccess : cuda::kInvalidValue;
}

bool Memory::Owns(uintptr_t address, uint64_t bytes) const {
  auto after = reserved_.upper_bound(address);
  if (after == reserved_.begin()) return false;
  const auto& [begin, size] = *std::prev(after);
  return address + bytes <= begin + size;
}

cuda::Result Memory::Map(uintptr_t address, uint64_t bytes, uint64_t handle) {
  const std::lock_guard lock(mutex_);
  const auto page = pages_.find(handle);
  if (page == pages_.end() || page->second->bytes != bytes) return cuda::kInvalidValue;
  if (address % kPage != 0 || !Owns(address, bytes)) return cuda::kInvalidValue;
  const auto after = mapped_.lower_bound(address);
  if (after != mapped_.end() && after->first < address + bytes) return cuda::kInvalidValue;
  if (after != mapped_.begin()) {
    const auto& [at, before] = *std::prev(after);
    if (at + before.bytes > address) return cuda::kInvalidValue;
  }
  mapped_[address] = {bytes, page->second};
  return cuda::kSuccess;
}

cuda::Result Memory::Unmap(uintptr_t address, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  for (uintptr_t at = address; at < address + bytes; at += mapped_.at(at).bytes) {
    const auto found = mapped_.find(at);
    if (found == mapped_.end() || at + found->second.bytes > address + bytes) {
      return cuda::kInvalidValue;
    }
  }
  Hide(address, bytes);
  mapped_.erase(mapped_.lower_bound(address), mapped_.lower_bound(address + bytes));
  return cuda::kSuccess;
}

cuda::Result Memory::SetAccess(uintptr_t address, uint64_t bytes, int flags) {
  if (flags != cuda::kAccessReadWrite) return cuda::kInvalidValue;
  const std::lock_guard lock(mutex_);
  for (uintptr_t at = address; at < address + bytes; at += mapped_.at(at).bytes) {
    if (!mapped_.contains(at)) return cuda::kInvalidValue;
  }
  for (auto it = mapped_.find(address); it != mapped_.end() && it->first < address + bytes; ++it) {
    auto& [at, mapping] = *it;
    void* const to = reinterpret_cast<void*>(at);
    const void* const got = mmap(to, mapping.bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                                 mapping.page->file, 0);
    if (got == MAP_FAILED) return cuda::kOutOfMemory;
    mapping.accessible = true;
  }
  return cuda::kSuccess;
}

cuda::Result Memory::Export(uint64_t handle, int* file) {
  const std::lock_guard lock(mutex_);
  const auto page = pages_.find(handle);
  if (page == pages_.end() || !page->second->exportable) return cuda::kInvalidValue;
  *file = dup(page->second->file);
  if (*file < 0) return cuda::kOutOfMemory;
  page->second->exported = true;
  return cuda::kSuccess;
}

cuda::Result Memory::Import(int device, int file, uint64_t* handle) {
  const off_t bytes = lseek(file, 0, SEEK_END);
  const int own = bytes > 0 ? dup(file) : -1;
  if (own < 0) return cuda::kInvalidValue;
  const std::lock_guard lock(mutex_);
  auto page = std::make_shared<Page>(device, static_cast<uint64_t>(bytes), own);
  page->imported = true;
  *handle = next_handle_++;
  pages_[*handle] = std::move(page);
  return cuda::kSuccess;
}

cuda::Result Memory::Allocate(int device, uint64_t bytes, int type, uintptr_t* address) {
  if (type == cuda::kMemoryDevice && !Take(device, bytes)) return cuda::kOutOfMemory;
  void* const at = Anonymous(bytes, PROT_READ | PROT_WRITE);
  if (at == nullptr) {
    if (type == cuda::kMemoryDevice) GiveBack(device, bytes);
    return cuda::kOutOfMemory;
  }
  std::memset(at, kNaN, std::min(bytes, kPoisoned));
  const std::lock_guard lock(mutex_);
  *address = reinterpret_cast<uintptr_t>(at);
  blocks_[*address] = {device, bytes, type};
  return cuda::kSuccess;
}

cuda::Result Memory::Deallocate(uintptr_t address) {
  const std::lock_guard lock(mutex_);
  const auto found = blocks_.find(address);
  if (found == blocks_.end()) return cuda::kInvalidValue;
  const Block block = found->second;
  munmap(reinterpret_cast<void*>(address), block.bytes);
  if (block.type == cuda::kMemoryDevice) used_[block.device] -= block.bytes;
  blocks_.erase(found);
  return cuda::kSuccess;
}

bool Memory::IsReachable(uintptr_t address, uint64_t bytes) const {
  const std::lock_guard lock(mutex_);
  const uintptr_t end = address + bytes;
  if (auto after = blocks_.upper_bound(address); after != blocks_.begin()) {
    const auto& [begin, block] = *std::prev(after);
    if (end <= begin + block.bytes) return true;
  }
  auto at = mapped_.upper_bound(address);
  if (at != mapped_.begin()) --at;
  for (uintptr_t reached = address; reached < end; ++at) {
    if (at == mapped_.end() || at->first > reached || at->first + at->second.bytes <= reached ||
        !at->second.accessible) {
      return false;
    }
    reached = at->first + at->second.bytes;
  }
  return true;
}

int Memory::TypeOf(uintptr_t address) const {
  const std::lock_guard lock(mutex_);
  if (auto after = blocks_.upper_bound(address); after != blocks_.begin()) {
    const auto& [begin, block] = *std::prev(after);
    if (address < begin + block.bytes) return block.type;
  }
  return Owns(address, 1) ? cuda::kMemoryDevice : 0;
}

}  // namespace vattention::simulated
