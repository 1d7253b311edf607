// The threads of a plan: its own, or an executor that the caller lends.
//
// A run hands index 0 to the calling thread and the others to workers. Idle workers watch for the
// next run for a fraction of a millisecond, since layers follow each other closely, and then sleep.
#ifndef VATTENTION_ATTENTION_CPU_THREAD_POOL_H_
#define VATTENTION_ATTENTION_CPU_THREAD_POOL_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "vattention/attention.h"

namespace vattention::cpu {

class ThreadPool {
 public:
  using Task = void (*)(void* argument, int32_t index);

  // `threads` includes the caller of Run; 0: one per core this process may use. With an executor
  // no thread is started. Throws std::system_error when a thread cannot be.
  ThreadPool(int32_t threads, const vattn_executor* executor);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // How many indices can run at once.
  int32_t threads() const { return threads_; }

  // Calls task(argument, i) for every i < count <= threads() and returns when all are done. One
  // call at a time. Allocates nothing.
  void Run(int32_t count, Task task, void* argument);

 private:
  void Work(int32_t index);
  uint64_t AwaitRun(uint64_t seen, int32_t index);

  int32_t threads_;
  const vattn_executor* executor_;
  // Number of the run (high bits) and how many indices it has (low 16 bits), in one word: a worker
  // that it does not concern never looks at the rest.
  std::atomic<uint64_t> run_{0};
  std::atomic<int32_t> pending_{0};  // workers still in the run
  Task task_ = nullptr;
  void* argument_ = nullptr;
  std::mutex mutex_;
  std::condition_variable wake_;  // a run has started, or the pool stops
  std::condition_variable done_;  // pending_ has become 0
  bool stop_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace vattention::cpu

#endif  // VATTENTION_ATTENTION_CPU_THREAD_POOL_H_
