// Streams, events and the queues of hardware that their work waits in.
//
// A queue is a thread that does one piece of work after the other, of all streams that share it.
// One mutex guards everything here; work runs without it.
#ifndef VATTENTION_NATIVE_SIMULATED_CUDA_STREAMS_H_
#define VATTENTION_NATIVE_SIMULATED_CUDA_STREAMS_H_

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <vector>

#include "simulated_cuda/memory.h"

namespace vattention::simulated {

inline constexpr cuda::Result kIllegalAddress = 700;
inline constexpr cuda::Result kInvalidContext = 201;
inline constexpr cuda::Result kInvalidHandle = 400;
inline constexpr cuda::Result kUnsupportedInCapture = 900;
inline constexpr cuda::Result kInvalidatedCapture = 901;
inline constexpr cuda::Result kUnmatchedCapture = 903;
inline constexpr cuda::Result kIsolationOfCapture = 905;
inline constexpr cuda::Result kCapturedEvent = 907;
inline constexpr int kLeastPriority = 0;
inline constexpr int kGreatestPriority = -5;

// A moment in a stream's order.
struct Point {
  bool passed = false;
  std::chrono::steady_clock::time_point at;
};
using PointPtr = std::shared_ptr<Point>;

// One piece of work. Ready once `after` has passed and `gate` answers true.
struct Work {
  PointPtr after = nullptr;
  std::function<bool()> gate = nullptr;
  std::function<cuda::Result()> run = nullptr;
  PointPtr end = nullptr;
};

struct Capture {
  int mode = 0;
  bool valid = true;
  std::vector<Work> work;
};
using CapturePtr = std::shared_ptr<Capture>;

struct StreamState;

// Belongs to the simulation: never destroyed.
class Queue {
 public:
  // Does what can be done at once, mostly, and leaves the rest to the queue's thread.
  void Push(std::unique_lock<std::mutex>* lock, std::shared_ptr<StreamState> stream, Work work);

 private:
  void Loop();
  // Releases the lock while the work runs.
  void Run(std::unique_lock<std::mutex>* lock, StreamState* stream, const Work& work);
  bool started_ = false;
  bool running_ = false;
  std::condition_variable filled_;
  std::deque<std::pair<std::shared_ptr<StreamState>, Work>> work_;
};

struct StreamState {
  int device = 0;
  Queue* queue = nullptr;
  uint64_t pending = 0;
  CapturePtr capture;
  bool origin = false;  // of its capture
};

struct EventState {
  PointPtr point;      // of the last record; nullptr: never recorded
  CapturePtr capture;  // that it was recorded in
};

}  // namespace vattention::simulated

// What the handles of the driver point to.
namespace vattention::cuda {
struct ContextObject {
  int device;
};
struct StreamObject {
  std::shared_ptr<simulated::StreamState> state;
};
struct EventObject {
  simulated::EventState state;
};
struct GraphObject {
  std::vector<simulated::Work> work;
};
struct GraphExecObject {
  std::vector<simulated::Work> work;
};
}  // namespace vattention::cuda

namespace vattention::simulated {

class Simulation {
 public:
  static Simulation& Get();

  std::mutex mutex;
  std::condition_variable changed;      // some work has ended
  uint64_t pending = 0;                 // work of all streams
  std::set<cuda::Stream> streams;       // live
  std::set<cuda::Event> events;         // live
  cuda::Result error = cuda::kSuccess;  // of work that failed: for good
  cuda::ContextObject contexts[kDevices];

  // With the lock. nullptr: no such stream.
  std::shared_ptr<StreamState> Find(cuda::Stream stream);
  std::shared_ptr<StreamState> NewStream(int device, int priority);
  // Gives the stream work, or the graph that it is captured into. May release the lock meanwhile.
  void Give(std::unique_lock<std::mutex>* lock, const std::shared_ptr<StreamState>& stream,
            Work work);
  bool OneIn(uint32_t times) { return random_() % times == 0; }
  std::chrono::microseconds Delay();

 private:
  Simulation();
  Queue& QueueFor(int device, int priority);

  std::vector<std::vector<std::unique_ptr<Queue>>> queues_;  // [device and priority][connection]
  std::vector<size_t> next_;
  std::shared_ptr<StreamState> defaults_[kDevices];
  std::minstd_rand random_;
};

// The calling thread's contexts, innermost last, and how it behaves while somebody captures.
struct ThreadState {
  std::vector<cuda::Context> contexts;
  int capture_mode = 0;
  CapturePtr capture;  // that this thread began
};
ThreadState& ThisThread();

// The device of the calling thread's context; -1 without one.
int CurrentDevice();

// Whether the calling thread may do what waits, allocates or asks; if not, its capture ends.
bool MayBeUnsafe();  // with the lock

}  // namespace vattention::simulated

#endif  // VATTENTION_NATIVE_SIMULATED_CUDA_STREAMS_H_
