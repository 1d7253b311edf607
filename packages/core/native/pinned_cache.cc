#include "pinned_cache.h"

#include <algorithm>
#include <cstring>

#include "memory/cuda_context.h"
#include "memory/round_up.h"

namespace vattention::core {
namespace {

constexpr size_t kGranularity = 4096;  // the system's pages
// A block goes to requests of no less than half its size: what is kept stays in proportion.
constexpr size_t kMostTimes = 2;

}  // namespace

DriverStatus PinnedCache::Allocate(size_t bytes, void** address) {
  const size_t rounded = RoundUp(std::max<size_t>(bytes, 1), kGranularity);
  if (const auto fits = idle_.lower_bound(rounded);
      fits != idle_.end() && fits->first <= kMostTimes * rounded) {
    *address = fits->second;
    idle_.erase(fits);
  } else {
    DriverStatus status =
        cuda::Check("cuMemHostAlloc", api_.host_allocate(address, rounded, cuda::kHostPortable));
    if (!status.ok()) return status;
    blocks_[*address] = rounded;
  }
  std::memset(*address, 0, bytes);
  return {};
}

void PinnedCache::Recycle(void* address) { idle_.emplace(blocks_.at(address), address); }

void PinnedCache::GiveBack() {
  for (const auto& [address, bytes] : blocks_) api_.host_free(address);
  blocks_.clear();
  idle_.clear();
}

}  // namespace vattention::core
