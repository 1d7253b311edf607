// Pages, reservations and mappings of simulated devices.
#ifndef VATTENTION_NATIVE_SIMULATED_CUDA_MEMORY_H_
#define VATTENTION_NATIVE_SIMULATED_CUDA_MEMORY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "memory/cuda_api.h"

namespace vattention::simulated {

inline constexpr uint64_t kPage = uint64_t{2} << 20;
inline constexpr uint64_t kDeviceBytes = uint64_t{3} << 30;
inline constexpr int kDevices = 2;

// The memory of all devices of this process. Every member may be called by any thread.
class Memory {
 public:
  static Memory& Get();

  // What streams, pools and tensors take of a device. False: there is not as much left.
  bool Take(int device, uint64_t bytes);
  void GiveBack(int device, uint64_t bytes);
  uint64_t FreeBytes(int device) const;

  cuda::Result Reserve(uint64_t bytes, uint64_t alignment, uintptr_t* address);
  cuda::Result FreeReservation(uintptr_t address, uint64_t bytes);
  cuda::Result Create(int device, uint64_t bytes, bool exportable, uint64_t* handle);
  cuda::Result Release(uint64_t handle);
  cuda::Result Map(uintptr_t address, uint64_t bytes, uint64_t handle);
  cuda::Result Unmap(uintptr_t address, uint64_t bytes);
  cuda::Result SetAccess(uintptr_t address, uint64_t bytes, int flags);
  cuda::Result Export(uint64_t handle, int* file);
  cuda::Result Import(int device, int file, uint64_t* handle);

  // Memory that is reached at once, without pages of a caller's: of pools, and of the host.
  cuda::Result Allocate(int device, uint64_t bytes, int type, uintptr_t* address);
  cuda::Result Deallocate(uintptr_t address);

  // Whether work may touch [address, address + bytes): all of it is mapped, with access.
  bool IsReachable(uintptr_t address, uint64_t bytes) const;
  // kMemoryDevice, kMemoryHost, or 0 of what no call made.
  int TypeOf(uintptr_t address) const;

 private:
  struct Page {
    Page(int on, uint64_t size, int opened) : device(on), bytes(size), file(opened) {}
    ~Page();
    int device;
    uint64_t bytes;
    int file;
    bool exportable = false;
    bool exported = false;
    bool imported = false;
  };
  struct Mapping {
    uint64_t bytes;
    std::shared_ptr<Page> page;
    bool accessible = false;
  };
  struct Block {
    int device;
    uint64_t bytes;
    int type;
  };

  bool Owns(uintptr_t address, uint64_t bytes) const;

  mutable std::mutex mutex_;
  std::map<uintptr_t, uint64_t> reserved_;
  std::map<uint64_t, std::shared_ptr<Page>> pages_;  // by handle, until released
  std::map<uintptr_t, Mapping> mapped_;
  std::map<uintptr_t, Block> blocks_;
  std::map<uint64_t, std::vector<int>> idle_files_;  // of pages that are gone, with what they held
  uint64_t idle_bytes_ = 0;
  uint64_t used_[kDevices] = {};
  uint64_t next_handle_ = 1;
};

}  // namespace vattention::simulated

#endif  // VATTENTION_NATIVE_SIMULATED_CUDA_MEMORY_H_
