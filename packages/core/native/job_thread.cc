#include "job_thread.h"

#include <utility>

namespace vattention::core {

void JobThread::Enqueue(std::unique_ptr<Job> job) {
  if (!thread_.joinable()) {
    thread_ = std::thread([this] { Loop(); });
    host_->Add(this);
  }
  host_->Begin();
  {
    std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void JobThread::Stop() {
  if (!thread_.joinable()) return;
  host_->Remove(this);
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    jobs_.clear();
  }
  wake_.notify_one();
  thread_.join();
}

void JobThread::Loop() {
  for (;;) {
    std::unique_ptr<Job> job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
      if (stop_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job->Execute();
    host_->Post(std::move(job), true);
  }
}

}  // namespace vattention::core
