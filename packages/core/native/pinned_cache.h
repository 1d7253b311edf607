// Memory of the host that devices reach by themselves, kept for those who ask next: giving it back
// to the system waits for all that any device is doing, and the event loop would wait with it.
#ifndef VATTENTION_CORE_PINNED_CACHE_H_
#define VATTENTION_CORE_PINNED_CACHE_H_

#include <cstddef>
#include <map>
#include <unordered_map>

#include "memory/cuda_api.h"
#include "memory/driver.h"

namespace vattention::core {

// Calls need a current context.
class PinnedCache {
 public:
  explicit PinnedCache(const cuda::Api& api) : api_(api) {}
  PinnedCache(const PinnedCache&) = delete;
  PinnedCache& operator=(const PinnedCache&) = delete;

  // Zeros.
  DriverStatus Allocate(size_t bytes, void** address);
  // Nobody uses it any more; the next one may have it.
  void Recycle(void* address);
  // Everything goes back to the system, whoever has it. Waits for the devices.
  void GiveBack();

 private:
  const cuda::Api& api_;
  std::unordered_map<void*, size_t> blocks_;  // bytes of each
  std::multimap<size_t, void*> idle_;         // by bytes
};

}  // namespace vattention::core

#endif  // VATTENTION_CORE_PINNED_CACHE_H_
