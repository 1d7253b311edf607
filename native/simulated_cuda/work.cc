// Streams, events, graphs.
#include <algorithm>
#include <utility>

#include "simulated_cuda/driver.h"

namespace vattention::simulated {
namespace {

// What a device takes for a stream: a leak of one shows.
constexpr uint64_t kStreamBytes = 512 << 10;

}  // namespace

Result Break(const CapturePtr& capture) {
  capture->valid = false;
  return kUnsupportedInCapture;
}

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
  simulation.Give(&lock, state, {.after = recorded.point});
  return kSuccess;
}

EXPORTED Result cuStreamWaitValue32_v2(Stream stream, DeviceAddress address, uint32_t value,
                                       unsigned flags) {
  if (flags != cuda::kWaitGreaterOrEqual || Memory::Get().TypeOf(address) == 0) {
    return kInvalidValue;
  }
  const auto* const word = reinterpret_cast<const uint32_t*>(address);
  return Submit(stream, {.gate = [=] { return __atomic_load_n(word, __ATOMIC_ACQUIRE) >= value; }});
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
  simulation.Give(&lock, state, {.end = event->state.point});
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

}  // extern "C"
}  // namespace vattention::simulated
