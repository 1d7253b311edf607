// A thread of one cache that runs its blocking calls one after the other, started by the first.
#ifndef VATTENTION_CORE_JOB_THREAD_H_
#define VATTENTION_CORE_JOB_THREAD_H_

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "async_host.h"

namespace vattention::core {

// A blocking call: `Execute` on the thread, then `Complete` on the JavaScript thread. Copies what
// it needs before it is queued.
class Job : public Completion {
 public:
  virtual void Execute() = 0;
};

class JobThread final : public HostedThread {
 public:
  explicit JobThread(std::shared_ptr<AsyncHost> host) : host_(std::move(host)) {}
  ~JobThread() override { Stop(); }

  // JavaScript thread only.
  void Enqueue(std::unique_ptr<Job> job);
  // Ends after the job it is at; the others are dropped, their promises never settle.
  void Stop() override;

 private:
  void Loop();

  const std::shared_ptr<AsyncHost> host_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Job>> jobs_;  // guarded by mutex_
  bool stop_ = false;                      // guarded by mutex_
  std::thread thread_;
};

}  // namespace vattention::core

#endif  // VATTENTION_CORE_JOB_THREAD_H_
