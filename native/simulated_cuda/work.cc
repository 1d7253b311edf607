// Streams, events, graphs, and memory that comes and goes in their order.
#include <algorithm>
#include <atomic>
#include <map>
#include <utility>

#include "simulated_cuda/driver.h"

namespace vattention::cuda {
// Memory that tensors gave back, for the next ones; counted as used until it is trimmed.
struct PoolObject {
  int device;
  std::multimap<size_t, uintptr_t> free;  // guarded by the simulation's mutex
};
}  // namespace vattention::cuda

namespace vattention::simulated {
namespace {

// What a device takes for a stream, a pool: a leak of one shows.
constexpr uint64_t kStreamBytes = 512 << 10;
constexpr uint64_t kPoolUnit = 32 << 20;  // pools grow and shrink by as much

std::map<uintptr_t, std::pair<Pool, size_t>>& Allocations() {
  static auto* const allocations = new std::map<uintptr_t, std::pair<Pool, size_t>>;
  return *allocations;  // guarded by the simulation's mutex
}

// A waiting host: for a stream, or for everything.
template <typename Idle>
Result WaitUntil(Idle idle) {
  Simulation& simulation = Simulation::Get();
  std::unique_lock lock(simulation.mutex);
  simulation.changed.wait(lock, idle);
  return simulation.error;
}

// A capture that a call breaks.
Result Break(const CapturePtr& capture) {
  capture->valid = false;
  return kUnsupportedInCapture;
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

}  // namespace

Result Submit(Stream stream, Work work) {
  if (CurrentDevice() < 0) return kInvalidContext;
  Simulation& simulation = Simulation::Get();
  std::unique_lock lock(simulation.mutex);
  if (simulation.error != kSuccess) return simulation.error;
  const auto state = simulation.Find(stream);
  if (state == nullptr) return kInvalidHandle;
  simulation.Give(&lock, state, std::move(work));
  return kSuccess;
}

extern "C" {

EXPORTED Result cuStreamCreateWithPriority(Stream* stream, unsigned flags, int priority) {
  if (const Result result = Enter(); result != kSuccess) return result;
  if (flags != cuda::kStreamNonBlocking) return kInvalidValue;
  if (!Memory::Get().Take(CurrentDevice(), kStreamBytes)) return kOutOfMemory;
  Simulation& simulation = Simulation::Get();
  const std::lock_guard lock(simulation.mutex);
  *stream = new cuda::StreamObject{simulation.NewStream(CurrentDevice(), priority)};
  simulation.streams.insert(*stream);
  return kSuccess;
}

EXPORTED Result cuStreamCreate(Stream* stream, unsigned flags) {
  return cuStreamCreateWithPriority(stream, flags, kLeastPriority);
}

// Work that it was given still runs.
EXPORTED Result cuStreamDestroy_v2(Stream stream) {
  Simulation& simulation = Simulation::Get();
  const std::lock_guard lock(simulation.mutex);
  if (simulation.streams.erase(stream) == 0) return kInvalidHandle;
  Memory::Get().GiveBack(stream->state->device, kStreamBytes);
  delete stream;
  return kSuccess;
}

EXPORTED Result cuStreamQuery(Stream stream) {
  if (CurrentDevice() < 0) return kInvalidContext;
  Simulation& simulation = Simulation::Get();
  const std::lock_guard lock(simulation.mutex);
  const auto state = simulation.Find(stream);
  if (state == nullptr) return kInvalidHandle;
  if (state->capture != nullptr) return Break(state->capture);
  if (!MayBeUnsafe()) return kUnsupportedInCapture;
  if (simulation.error != kSuccess) return simulation.error;
  return state->pending == 0 ? kSuccess : kNotReady;
}

EXPORTED Result cuStreamSynchronize(Stream stream) {
  if (const Result result = Enter(); result != kSuccess) return result;
  Simulation& simulation = Simulation::Get();
  std::shared_ptr<StreamState> state;
  {
    const std::lock_guard lock(simulation.mutex);
    state = simulation.Find(stream);
    if (state == nullptr) return kInvalidHandle;
    if (state->capture != nullptr) return Break(state->capture);
  }
  return WaitUntil([&] { return state->pending == 0; });
}

EXPORTED Result cuCtxSynchronize() {
  if (const Result result = Enter(); result != kSuccess) return result;
  Simulation& simulation = Simulation::Get();
  std::vector<std::shared_ptr<StreamState>> states;
  {
    const std::lock_guard lock(simulation.mutex);
    for (const Stream stream : simulation.streams) {
      if (stream->state->device != CurrentDevice()) continue;
      if (stream->state->capture != nullptr) return Break(stream->state->capture);
      states.push_back(stream->state);
    }
    states.push_back(simulation.Find(nullptr));
  }
  return WaitUntil([&] {
    return std::ranges::all_of(states, [](const auto& state) { return state->pending == 0; });
  });
}

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

EXPORTED Result cuStreamWaitEvent(Stream stream, Event event, unsigned) {
  if (CurrentDevice() < 0) return kInvalidContext;
  Simulation& simulation = Simulation::Get();
  std::unique_lock lock(simulation.mutex);
  const auto state = simulation.Find(stream);
  if (state == nullptr || !simulation.events.contains(event)) return kInvalidHandle;
  EventState& recorded = event->state;
  if (recorded.capture != nullptr) {
    if (state->capture != nullptr && state->capture != recorded.capture) {
      return Break(state->capture);
    }
    state->capture = recorded.capture;  // joins it
    return kSuccess;
  }
  if (state->capture != nullptr) {
    Break(state->capture);
    return kIsolationOfCapture;
  }
  if (recorded.point == nullptr) return kSuccess;
  simulation.Give(&lock, state, {.after = recorded.point, .gate = {}, .run = {}, .end = {}});
  return kSuccess;
}

EXPORTED Result cuStreamWaitValue32_v2(Stream stream, DeviceAddress address, uint32_t value,
                                       unsigned flags) {
  if (flags != cuda::kWaitGreaterOrEqual || Memory::Get().TypeOf(address) == 0) {
    return kInvalidValue;
  }
  const auto* const word = reinterpret_cast<const uint32_t*>(address);
  return Submit(stream, {.after = {},
                         .gate = [=] { return __atomic_load_n(word, __ATOMIC_ACQUIRE) >= value; },
                         .run = {},
                         .end = {}});
}

EXPORTED Result cuEventCreate(Event* event, unsigned) {
  if (const Result result = Enter(); result != kSuccess) return result;
  Simulation& simulation = Simulation::Get();
  const std::lock_guard lock(simulation.mutex);
  *event = new cuda::EventObject;
  simulation.events.insert(*event);
  return kSuccess;
}

EXPORTED Result cuEventDestroy_v2(Event event) {
  Simulation& simulation = Simulation::Get();
  const std::lock_guard lock(simulation.mutex);
  if (simulation.events.erase(event) == 0) return kInvalidHandle;
  delete event;
  return kSuccess;
}

EXPORTED Result cuEventRecord(Event event, Stream stream) {
  if (CurrentDevice() < 0) return kInvalidContext;
  Simulation& simulation = Simulation::Get();
  std::unique_lock lock(simulation.mutex);
  if (simulation.error != kSuccess) return simulation.error;
  const auto state = simulation.Find(stream);
  if (state == nullptr || !simulation.events.contains(event)) return kInvalidHandle;
  if (state->device != CurrentDevice()) return kInvalidHandle;
  event->state = {};
  if (state->capture != nullptr) {
    event->state.capture = state->capture;
    return kSuccess;
  }
  event->state.point = std::make_shared<Point>();
  simulation.Give(&lock, state, {.after = {}, .gate = {}, .run = {}, .end = event->state.point});
  return kSuccess;
}

EXPORTED Result cuEventQuery(Event event) {
  if (CurrentDevice() < 0) return kInvalidContext;
  Simulation& simulation = Simulation::Get();
  const std::lock_guard lock(simulation.mutex);
  if (!simulation.events.contains(event)) return kInvalidHandle;
  if (event->state.capture != nullptr) {
    Break(event->state.capture);
    return kCapturedEvent;
  }
  if (!MayBeUnsafe()) return kUnsupportedInCapture;
  if (simulation.error != kSuccess) return simulation.error;
  return event->state.point == nullptr || event->state.point->passed ? kSuccess : kNotReady;
}

EXPORTED Result cuEventElapsedTime(float* milliseconds, Event start, Event end) {
  Simulation& simulation = Simulation::Get();
  const std::lock_guard lock(simulation.mutex);
  for (const Event event : {start, end}) {
    if (!simulation.events.contains(event) || event->state.point == nullptr) return kInvalidHandle;
    if (!event->state.point->passed) return kNotReady;
  }
  *milliseconds =
      std::chrono::duration<float, std::milli>(end->state.point->at - start->state.point->at)
          .count();
  return kSuccess;
}

EXPORTED Result cuStreamIsCapturing(Stream stream, int* status) {
  Simulation& simulation = Simulation::Get();
  const std::lock_guard lock(simulation.mutex);
  const auto state = simulation.Find(stream);
  if (state == nullptr) return kInvalidHandle;
  *status = state->capture == nullptr ? cuda::kCaptureNone : state->capture->valid ? 1 : 2;
  return kSuccess;
}

EXPORTED Result cuStreamBeginCapture_v2(Stream stream, int mode) {
  if (CurrentDevice() < 0) return kInvalidContext;
  Simulation& simulation = Simulation::Get();
  const std::lock_guard lock(simulation.mutex);
  const auto state = simulation.Find(stream);
  if (state == nullptr) return kInvalidHandle;
  if (stream == nullptr || state->capture != nullptr) return kUnsupportedInCapture;
  state->capture = std::make_shared<Capture>();
  state->capture->mode = mode;
  state->origin = true;
  ThisThread().capture = state->capture;
  return kSuccess;
}

EXPORTED Result cuStreamEndCapture(Stream stream, Graph* graph) {
  *graph = nullptr;
  Simulation& simulation = Simulation::Get();
  const std::lock_guard lock(simulation.mutex);
  const auto state = simulation.Find(stream);
  if (state == nullptr) return kInvalidHandle;
  if (state->capture == nullptr || !std::exchange(state->origin, false)) return kUnmatchedCapture;
  const CapturePtr capture = state->capture;
  for (const Stream each : simulation.streams) {
    if (each->state->capture == capture) each->state->capture = nullptr;
  }
  if (ThisThread().capture == capture) ThisThread().capture = nullptr;
  if (!capture->valid) return kInvalidatedCapture;
  *graph = new cuda::GraphObject{std::move(capture->work)};
  return kSuccess;
}

EXPORTED Result cuGraphInstantiateWithFlags(GraphExec* exec, Graph graph, unsigned long long) {
  *exec = new cuda::GraphExecObject{graph->work};
  return kSuccess;
}

EXPORTED Result cuGraphLaunch(GraphExec exec, Stream stream) {
  for (const Work& work : exec->work) {
    if (const Result result = Submit(stream, work); result != kSuccess) return result;
  }
  return kSuccess;
}

EXPORTED Result cuGraphDestroy(Graph graph) {
  delete graph;
  return kSuccess;
}

EXPORTED Result cuGraphExecDestroy(GraphExec exec) {
  delete exec;
  return kSuccess;
}

EXPORTED Result cuMemPoolCreate(Pool* pool, const cuda::PoolProperties* properties) {
  if (const Result result = Enter(); result != kSuccess) return result;
  *pool = new cuda::PoolObject{properties->location.id, {}};
  return kSuccess;
}

EXPORTED Result cuMemPoolDestroy(Pool pool) {
  Simulation& simulation = Simulation::Get();
  const std::lock_guard lock(simulation.mutex);
  Trim(pool, 0);
  delete pool;
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
  return kSuccess;
}

EXPORTED Result cuMemFreeAsync(DeviceAddress address, Stream stream) {
  {
    Simulation& simulation = Simulation::Get();
    const std::lock_guard lock(simulation.mutex);
    if (!Allocations().contains(address)) return kInvalidValue;
  }
  return Submit(stream, {.after = {},
                         .gate = {},
                         .run =
                             [=] {
                               Simulation& simulation = Simulation::Get();
                               const std::lock_guard lock(simulation.mutex);
                               const auto found = Allocations().find(address);
                               if (found == Allocations().end()) return kInvalidValue;
                               const auto [pool, bytes] = found->second;
                               Allocations().erase(found);
                               // Whoever still reads it notices.
                               std::fill_n(reinterpret_cast<uint8_t*>(address),
                                           std::min<size_t>(bytes, 1 << 20), uint8_t{0xFF});
                               pool->free.emplace(bytes, address);
                               return kSuccess;
                             },
                         .end = {}});
}

}  // extern "C"
}  // namespace vattention::simulated
