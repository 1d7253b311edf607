#include "ops/cpu/llama_runner.h"

#include <new>
#include <utility>

namespace vattention::ops {
namespace {

// Exceptions of libraries and broken invariants end here.
template <typename Body>
Status Catching(const Body& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return Error(VATTN_OUT_OF_MEMORY,
                 "Activations and workspaces do not fit into memory. Lower maxTokens.");
  } catch (const std::exception& error) {
    return Error(VATTN_INTERNAL, "%s", error.what());
  }
}

}  // namespace

LlamaRunner::LlamaRunner(std::shared_ptr<const LlamaModel> model, const vattn_cache_ref& cache,
                         const vattn_backend& backend, const PassOptions& options)
    : model_(std::move(model)), cache_(cache), backend_(backend), options_(options), timeline_{} {
  timeline_.size = sizeof(timeline_);
  cache_.api->retain(cache_.cache);
}

LlamaRunner::~LlamaRunner() {
  Close();
  cache_.api->release(cache_.cache);
}

vattn_stream LlamaRunner::Stream() {
  vattn_stream stream = {};
  stream.device_type = VATTN_DEVICE_CPU;
  stream.handle = reinterpret_cast<uintptr_t>(&timeline_);
  return stream;
}

Status LlamaRunner::Create(std::shared_ptr<const LlamaModel> model, const vattn_cache_ref& cache,
                           const vattn_backend& backend, const PassOptions& options,
                           std::unique_ptr<LlamaRunner>* runner) {
  if (options.threads < 1 || options.max_sequences < 1 || options.max_tokens < 1 ||
      options.max_length < 1) {
    return Error(VATTN_INVALID_ARGUMENT,
                 "Expected threads, maxSequences, maxTokens and maxLength of at least 1, received "
                 "%d, %d, %d and %lld.",
                 options.threads, options.max_sequences, options.max_tokens,
                 static_cast<long long>(options.max_length));
  }
  std::unique_ptr<LlamaRunner> made(new LlamaRunner(std::move(model), cache, backend, options));
  vattn_error error = {};
  error.size = sizeof(error);
  if (const vattn_status status = cache.api->attach_stream(cache.cache, made->Stream(), &error)) {
    return FromRecord(status, error);
  }
  made->attached_ = true;
  made->thread_ = std::thread([&runner_ref = *made] { runner_ref.Main(); });
  std::unique_lock lock(made->mutex_);
  made->wake_.wait(lock, [&] { return made->state_ != State::kStarting; });
  if (made->state_ == State::kFailed) return made->start_status_;
  lock.unlock();
  *runner = std::move(made);
  return {};
}

void LlamaRunner::Main() {
  Status status =
      Catching([&] { return LlamaPass::Create(*model_, cache_, backend_, options_, &pass_); });
  if (status.ok()) {
    status = Catching([&]() -> Status {
      resolved_ = pass_->MakeResolvedBatch();
      workspace_bytes_ = pass_->workspace_bytes();
      return {};
    });
  }
  std::unique_lock lock(mutex_);
  start_status_ = status;
  state_ = status.ok() ? State::kIdle : State::kFailed;
  wake_.notify_all();
  while (status.ok()) {
    wake_.wait(lock, [&] { return state_ == State::kQueued || closing_; });
    if (state_ != State::kQueued) break;
    state_ = State::kRunning;
    lock.unlock();
    RunOne();
    lock.lock();
    wake_.notify_all();
  }
  lock.unlock();
  pass_.reset();
}

void LlamaRunner::RunOne() {
  ForwardResult result;
  Status status = Catching([&] { return pass_->Run(batch_, resolved_, &result); });
  __atomic_store_n(&timeline_.completed, timeline_.completed + 1, __ATOMIC_RELEASE);
  Done done = std::move(done_);
  done_ = nullptr;
  {
    // Before the caller hears of it, so that it may submit the next pass at once.
    const std::lock_guard lock(mutex_);
    state_ = State::kIdle;
  }
  done(std::move(status), std::move(result));
}

Status LlamaRunner::Submit(ForwardBatch batch, Done done) {
  const std::lock_guard lock(mutex_);
  if (closing_)
    return Error(VATTN_DISPOSED, "The runner was disposed and cannot be used any more.");
  if (state_ != State::kIdle) {
    return Error(VATTN_BUSY, "A pass is in flight. Await forward() before calling it again.");
  }
  // From here on no page that the batch names may leave.
  __atomic_store_n(&timeline_.submitted, timeline_.submitted + 1, __ATOMIC_RELEASE);
  const Status status = Catching([&] { return pass_->Resolve(batch, &resolved_); });
  if (!status.ok()) {
    __atomic_store_n(&timeline_.completed, timeline_.submitted, __ATOMIC_RELEASE);
    return status;
  }
  batch_ = std::move(batch);
  done_ = std::move(done);
  state_ = State::kQueued;
  wake_.notify_all();
  return {};
}

void LlamaRunner::Close() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  if (attached_) {
    attached_ = false;
    vattn_error error = {};
    error.size = sizeof(error);
    // A closed cache has forgotten its streams already.
    (void)cache_.api->detach_stream(cache_.cache, Stream(), &error);
  }
}

}  // namespace vattention::ops
