// Memory that comes and goes in the order of streams, and pinned memory of the host.
#include <algorithm>
#include <map>
#include <utility>

#include "simulated_cuda/driver.h"

namespace vattention::cuda {
// Memory that tensors gave back, for the next ones; counted as used until it is trimmed. Guarded by
// the simulation's mutex.
struct PoolObject {
  int device;
  std::multimap<size_t, uintptr_t> free;
  size_t used;  // allocations that are not free
  bool destroyed;
};
}  // namespace vattention::cuda

namespace vattention::simulated {
namespace {

constexpr uint64_t kPoolUnit = 32 << 20;  // pools grow and shrink by as much

std::map<uintptr_t, std::pair<Pool, size_t>>& Allocations() {
  static auto* const allocations = new std::map<uintptr_t, std::pair<Pool, size_t>>;
  return *allocations;  // guarded by the simulation's mutex
}

void Trim(Pool pool, size_t keep) {  // with the lock
  size_t kept = 0;
  for (auto it = pool->free.begin(); it != pool->free.end();) {
    if (kept + it->first <= keep) {
      kept += it++->first;
      continue;
    }
    Memory::Get().Deallocate(it->second);
    it = pool->free.erase(it);
  }
}

void DeleteIfOver(Pool pool) {  // with the lock
  if (!pool->destroyed) return;
  Trim(pool, 0);
  if (pool->used == 0) delete pool;
}

// The memory is the pool's again.
Result Take(DeviceAddress address) {
  Simulation& simulation = Simulation::Get();
  const std::lock_guard lock(simulation.mutex);
  const auto found = Allocations().find(address);
  if (found == Allocations().end()) return kInvalidValue;
  const auto [pool, bytes] = found->second;
  Allocations().erase(found);
  // Whoever still reads it notices.
  std::fill_n(reinterpret_cast<uint8_t*>(address), std::min<size_t>(bytes, 1 << 20), uint8_t{0xFF});
  pool->free.emplace(bytes, address);
  --pool->used;
  DeleteIfOver(pool);
  return kSuccess;
}

}  // namespace

extern "C" {

EXPORTED Result cuMemHostAlloc(void** address, size_t bytes, unsigned) {
  if (const Result result = Enter(); result != kSuccess) return result;
  uintptr_t at = 0;
  const Result result = Memory::Get().Allocate(0, bytes, cuda::kMemoryHost, &at);
  *address = reinterpret_cast<void*>(at);
  return result;
}

// As on a device: waits for all work of all streams, since any of it may use the memory.
EXPORTED Result cuMemFreeHost(void* address) {
  if (const Result result = Enter(); result != kSuccess) return result;
  Simulation& simulation = Simulation::Get();
  WaitUntil([&] { return simulation.pending == 0; });
  return Memory::Get().Deallocate(reinterpret_cast<uintptr_t>(address));
}

EXPORTED Result cuMemPoolCreate(Pool* pool, const cuda::PoolProperties* properties) {
  if (const Result result = Enter(); result != kSuccess) return result;
  *pool = new cuda::PoolObject{properties->location.id, {}, 0, false};
  return kSuccess;
}

// As on a device: a pool whose memory is on its way back ends with the last of it.
EXPORTED Result cuMemPoolDestroy(Pool pool) {
  Simulation& simulation = Simulation::Get();
  const std::lock_guard lock(simulation.mutex);
  pool->destroyed = true;
  DeleteIfOver(pool);
  return kSuccess;
}

EXPORTED Result cuMemPoolTrimTo(Pool pool, size_t keep) {
  Simulation& simulation = Simulation::Get();
  const std::lock_guard lock(simulation.mutex);
  Trim(pool, keep);
  return kSuccess;
}

EXPORTED Result cuMemAllocFromPoolAsync(DeviceAddress* address, size_t bytes, Pool pool,
                                        Stream stream) {
  if (CurrentDevice() < 0) return kInvalidContext;
  Simulation& simulation = Simulation::Get();
  const std::lock_guard lock(simulation.mutex);
  if (simulation.error != kSuccess) return simulation.error;
  const auto state = simulation.Find(stream);
  if (state == nullptr) return kInvalidHandle;
  if (state->capture != nullptr) return Break(state->capture);
  const size_t rounded = (bytes + kPoolUnit - 1) / kPoolUnit * kPoolUnit;
  if (const auto found = pool->free.find(rounded); found != pool->free.end()) {
    *address = found->second;
    pool->free.erase(found);
  } else {
    Result result = Memory::Get().Allocate(pool->device, rounded, cuda::kMemoryDevice, address);
    if (result == kOutOfMemory) {
      Trim(pool, 0);
      result = Memory::Get().Allocate(pool->device, rounded, cuda::kMemoryDevice, address);
    }
    if (result != kSuccess) return result;
  }
  Allocations()[*address] = {pool, rounded};
  ++pool->used;
  return kSuccess;
}

EXPORTED Result cuMemFreeAsync(DeviceAddress address, Stream stream) {
  {
    Simulation& simulation = Simulation::Get();
    const std::lock_guard lock(simulation.mutex);
    if (!Allocations().contains(address)) return kInvalidValue;
  }
  return Submit(stream, {.run = [=] { return Take(address); }});
}

}  // extern "C"
}  // namespace vattention::simulated
