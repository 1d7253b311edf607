#include "tests/simulated_cuda/streams.h"

#include <cstdlib>
#include <thread>
#include <utility>

namespace vattention::simulated {
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

void Simulation::Give(const std::shared_ptr<StreamState>& stream, Work work) {
  if (stream->capture != nullptr) {
    stream->capture->work.push_back(std::move(work));
    return;
  }
  stream->queue->Push(stream, std::move(work));
}

// One piece of work in sixteen begins late.
std::chrono::microseconds Simulation::Delay() {
  return std::chrono::microseconds(random_() % 16 == 0 ? random_() % 300 : 0);
}

void Queue::Push(std::shared_ptr<StreamState> stream, Work work) {
  ++stream->pending;
  work_.emplace_back(std::move(stream), std::move(work));
  if (!std::exchange(started_, true)) std::thread([this] { Loop(); }).detach();
  filled_.notify_one();
}

void Queue::Loop() {
  Simulation& simulation = Simulation::Get();
  std::unique_lock lock(simulation.mutex);
  for (;;) {
    filled_.wait(lock, [this] { return !work_.empty(); });
    Work& work = work_.front().second;  // stays where it is while others are added
    simulation.changed.wait(lock, [&] { return work.after == nullptr || work.after->passed; });
    const auto delay = simulation.Delay();
    const bool runs = simulation.error == cuda::kSuccess;
    lock.unlock();
    if (delay.count() > 0) std::this_thread::sleep_for(delay);
    while (work.gate && !work.gate()) std::this_thread::sleep_for(std::chrono::microseconds(20));
    const cuda::Result result = runs && work.run ? work.run() : cuda::kSuccess;
    lock.lock();
    if (result != cuda::kSuccess && simulation.error == cuda::kSuccess) simulation.error = result;
    if (work.end != nullptr) {
      work.end->passed = true;
      work.end->at = std::chrono::steady_clock::now();
    }
    --work_.front().first->pending;
    work_.pop_front();
    simulation.changed.notify_all();
  }
}

}  // namespace vattention::simulated
