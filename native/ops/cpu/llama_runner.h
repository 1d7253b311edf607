// Forward passes on a thread of their own, one at a time, so that whoever decides between passes
// never waits for one.
//
// The runner is a stream of the cache (vattn_timeline): from Submit on, pages that the pass may
// touch leave no sequence before it has ended.
#ifndef VATTENTION_OPS_CPU_LLAMA_RUNNER_H_
#define VATTENTION_OPS_CPU_LLAMA_RUNNER_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "ops/cpu/forward_batch.h"
#include "ops/cpu/llama_model.h"
#include "ops/cpu/llama_pass.h"
#include "ops/cpu/status.h"
#include "vattention/attention.h"

namespace vattention::ops {

class LlamaRunner {
 public:
  // Called on the runner's thread when a pass has ended, well or not. Must not throw, nor call the
  // runner.
  using Done = std::function<void(Status, ForwardResult)>;

  // Keeps `model` alive and the cache retained. Waits until the runner is ready, or says why it
  // cannot be.
  static Status Create(std::shared_ptr<const LlamaModel> model, const vattn_cache_ref& cache,
                       const vattn_backend& backend, const PassOptions& options,
                       std::unique_ptr<LlamaRunner>* runner);
  // As Close.
  ~LlamaRunner();
  LlamaRunner(const LlamaRunner&) = delete;
  LlamaRunner& operator=(const LlamaRunner&) = delete;

  // Starts a pass. What is wrong with the batch itself is returned at once, and `done` is not
  // called; VATTN_BUSY while another pass has not ended; VATTN_DISPOSED after Close.
  Status Submit(ForwardBatch batch, Done done);

  // Waits for a pass in flight, whose `done` is called, then ends the thread and lets the cache go.
  // A second call does nothing.
  void Close();

  uint64_t workspace_bytes() const { return workspace_bytes_; }

 private:
  LlamaRunner(std::shared_ptr<const LlamaModel> model, const vattn_cache_ref& cache,
              const vattn_backend& backend, const PassOptions& options);
  void Main();
  void RunOne();
  vattn_stream Stream();

  std::shared_ptr<const LlamaModel> model_;
  vattn_cache_ref cache_;
  const vattn_backend& backend_;
  PassOptions options_;
  bool attached_ = false;
  // Two counters, raised only by whoever starts and ends a pass.
  vattn_timeline timeline_;

  // Made and destroyed on the thread. Between passes Submit uses pass_->Resolve.
  std::unique_ptr<LlamaPass> pass_;
  uint64_t workspace_bytes_ = 0;

  std::mutex mutex_;
  std::condition_variable wake_;
  enum class State { kStarting, kFailed, kIdle, kQueued, kRunning, kClosed };
  State state_ = State::kStarting;
  bool closing_ = false;
  Status start_status_;
  // The pass in flight. Owned by the thread while it runs, by Submit otherwise.
  ForwardBatch batch_;
  ResolvedBatch resolved_;
  Done done_;
  std::thread thread_;
};

}  // namespace vattention::ops

#endif  // VATTENTION_OPS_CPU_LLAMA_RUNNER_H_
