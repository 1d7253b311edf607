#include "simulated_cuda/streams.h"

#include <cstdlib>
#include <thread>
#include <utility>

namespace vattention::simulated {

using cuda::kSuccess;
using cuda::Result;

namespace {

constexpr int kPriorities = kLeastPriority - kGreatestPriority + 1;

size_t Connections() {
  const char* text = std::getenv("CUDA_DEVICE_MAX_CONNECTIONS");
  const int wanted = text == nullptr ? 8 : std::atoi(text);
  return static_cast<size_t>(std::min(std::max(wanted, 1), 32));
}

}  // namespace

ThreadState& ThisThread() {
  thread_local ThreadState state;
  return state;
}

int CurrentDevice() {
  const ThreadState& thread = ThisThread();
  return thread.contexts.empty() ? -1 : thread.contexts.back()->device;
}

bool MayBeUnsafe() {
  ThreadState& thread = ThisThread();
  if (thread.capture == nullptr || thread.capture_mode == cuda::kCaptureRelaxed ||
      thread.capture->mode == cuda::kCaptureRelaxed) {
    return true;
  }
  thread.capture->valid = false;
  return false;
}

Simulation& Simulation::Get() {
  // Never destroyed: threads of queues go on until the process ends.
  static Simulation* const simulation = new Simulation;
  return *simulation;
}

Simulation::Simulation() {
  queues_.resize(kDevices * kPriorities);
  for (auto& of_priority : queues_) {
    for (size_t i = 0; i < Connections(); ++i) of_priority.push_back(std::make_unique<Queue>());
  }
  next_.resize(queues_.size());
  for (int device = 0; device < kDevices; ++device) {
    contexts[device].device = device;
    defaults_[device] = std::make_shared<StreamState>();
    defaults_[device]->device = device;
    defaults_[device]->queue = new Queue;
  }
}

Queue& Simulation::QueueFor(int device, int priority) {
  const auto of = static_cast<size_t>(device * kPriorities + priority - kGreatestPriority);
  return *queues_[of][next_[of]++ % queues_[of].size()];
}

std::shared_ptr<StreamState> Simulation::NewStream(int device, int priority) {
  auto state = std::make_shared<StreamState>();
  state->device = device;
  state->queue = &QueueFor(device, std::min(std::max(priority, kGreatestPriority), kLeastPriority));
  return state;
}

std::shared_ptr<StreamState> Simulation::Find(cuda::Stream stream) {
  if (stream == nullptr) {
    const int device = CurrentDevice();
    return device < 0 ? nullptr : defaults_[device];
  }
  return streams.contains(stream) ? stream->state : nullptr;
}

void Simulation::Give(std::unique_lock<std::mutex>* lock,
                      const std::shared_ptr<StreamState>& stream, Work work) {
  if (stream->capture != nullptr) {
    stream->capture->work.push_back(std::move(work));
    return;
  }
  stream->queue->Push(lock, stream, std::move(work));
}

std::chrono::microseconds Simulation::Delay() {
  return std::chrono::microseconds(OneIn(16) ? random_() % 300 : 0);
}

void Queue::Push(std::unique_lock<std::mutex>* lock, std::shared_ptr<StreamState> stream,
                 Work work) {
  Simulation& simulation = Simulation::Get();
  ++stream->pending;
  ++simulation.pending;
  const bool ready =
      work_.empty() && !running_ && !work.gate && (work.after == nullptr || work.after->passed);
  if (ready && !simulation.OneIn(8)) {
    running_ = true;
    Run(lock, stream.get(), work);
    running_ = false;
    if (!work_.empty()) filled_.notify_one();
    return;
  }
  work_.emplace_back(std::move(stream), std::move(work));
  if (!std::exchange(started_, true)) std::thread([this] { Loop(); }).detach();
  filled_.notify_one();
}

void Queue::Run(std::unique_lock<std::mutex>* lock, StreamState* stream, const Work& work) {
  Simulation& simulation = Simulation::Get();
  Result result = kSuccess;
  if (work.run && simulation.error == kSuccess) {
    lock->unlock();
    result = work.run();
    lock->lock();
  }
  if (result != kSuccess && simulation.error == kSuccess) simulation.error = result;
  if (work.end != nullptr) {
    work.end->passed = true;
    work.end->at = std::chrono::steady_clock::now();
  }
  --stream->pending;
  --simulation.pending;
  simulation.changed.notify_all();
}

void Queue::Loop() {
  Simulation& simulation = Simulation::Get();
  std::unique_lock lock(simulation.mutex);
  for (;;) {
    filled_.wait(lock, [this] { return !work_.empty() && !running_; });
    const auto& [stream, work] = work_.front();  // stays where it is while others are added
    simulation.changed.wait(lock, [&] { return work.after == nullptr || work.after->passed; });
    const auto delay = simulation.Delay();
    lock.unlock();
    if (delay.count() > 0) std::this_thread::sleep_for(delay);
    while (work.gate && !work.gate()) std::this_thread::sleep_for(std::chrono::microseconds(20));
    lock.lock();
    Run(&lock, stream.get(), work);
    work_.pop_front();
  }
}

}  // namespace vattention::simulated
