#include <condition_variable>
#include <mutex>
#include <vector>

#include "tests/check.h"
#include "tests/ops_llama_fixture.h"

namespace vattention::ops {
namespace {

using testing::kCaches;
using testing::kThreads;
using testing::MakeBatch;
using testing::TestCache;

// The end of a pass, waited for.
class Outcome {
 public:
  LlamaRunner::Done Done() {
    return [this](Status status, ForwardResult result) {
      const std::lock_guard lock(mutex_);
      status_ = std::move(status);
      result_ = std::move(result);
      done_ = true;
      wake_.notify_all();
    };
  }
  bool done() {
    const std::lock_guard lock(mutex_);
    return done_;
  }
  Status Wait(ForwardResult* result = nullptr) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return done_; });
    if (result != nullptr) *result = result_;
    return status_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool done_ = false;
  Status status_;
  ForwardResult result_;
};

struct Setup {
  explicit Setup(const testing::CacheChoice& choice = kCaches[0])
      : config(testing::SmallConfig({.precision = Precision::kBfloat16})),
        model(std::make_shared<LlamaModel>(config)),
        cache(config, choice) {
    CHECK(model->Fill(3).ok());
    CHECK(model->Finish().empty());
    CHECK_EQ(
        LlamaRunner::Create(model, cache.ref(), *vattn_cpu_backend(), Options(), &runner).message,
        "");
  }
  static PassOptions Options() {
    return {.threads = kThreads, .max_sequences = 4, .max_tokens = 64, .max_length = 200};
  }
  LlamaConfig config;
  std::shared_ptr<LlamaModel> model;
  TestCache cache;
  std::unique_ptr<LlamaRunner> runner;
};

TEST(PassesRunOneAfterTheOther) {
  for (const auto& choice : kCaches) {
    Setup setup(choice);
    const uint32_t sequence = setup.cache.Allocate();
    int32_t token = 1;
    for (uint32_t length = 1; length <= 100; ++length) {
      setup.cache.Step(sequence, length);
      Outcome outcome;
      CHECK_EQ(
          setup.runner->Submit(MakeBatch({{sequence, {token}, length}}, 3), outcome.Done()).message,
          "");
      ForwardResult result;
      CHECK_EQ(outcome.Wait(&result).message, "");
      CHECK_EQ(result.tokens.size(), 1u);
      token = result.tokens[0].token;
    }
    CHECK_GT(setup.runner->workspace_bytes(), 0u);
  }
}

TEST(ASecondPassBeforeTheFirstEndedIsRefused) {
  Setup setup;
  const uint32_t sequence = setup.cache.Allocate();
  setup.cache.Step(sequence, 60);
  const ForwardBatch batch = MakeBatch({{sequence, std::vector<int32_t>(60, 7), 60}}, 1);
  std::mutex hold;
  Outcome outcome;
  std::unique_lock held(hold);
  // Done of the first pass waits for us, so it is certainly in flight.
  CHECK(setup.runner
            ->Submit(batch,
                     [&, done = outcome.Done()](Status status, ForwardResult result) {
                       const std::lock_guard wait(hold);
                       done(std::move(status), std::move(result));
                     })
            .ok());
  Outcome never;
  Status second;
  // Until the pass itself ended; then its successor waits for Done to return.
  do {
    second = setup.runner->Submit(batch, never.Done());
    if (!second.ok()) CHECK_EQ(second.code, VATTN_BUSY);
  } while (!second.ok());
  CHECK(!never.done());
  held.unlock();
  CHECK(outcome.Wait().ok());
  CHECK(never.Wait().ok());
}

TEST(PagesStayWhileAPassMayReadThem) {
  Setup setup;
  const uint32_t sequence = setup.cache.Allocate();
  setup.cache.Step(sequence, 64);
  const auto condemned = [&] {
    vattn_cache_stats stats = {};
    stats.size = sizeof(stats);
    CHECK_EQ(setup.cache.ref().api->stats(setup.cache.ref().cache, &stats, nullptr), VATTN_OK);
    return stats.condemned_bytes;
  };
  vattn_fence* fence = nullptr;
  const vattn_stream any = {VATTN_DEVICE_CPU, 0, 0};
  Outcome outcome;
  CHECK(setup.runner
            ->Submit(MakeBatch({{sequence, std::vector<int32_t>(64, 9), 64}}, 1), outcome.Done())
            .ok());
  CHECK_EQ(setup.cache.ref().api->record_fence(setup.cache.ref().cache, any, &fence, nullptr),
           VATTN_OK);
  setup.cache.Free(sequence);
  CHECK(outcome.Wait().ok());
  // The pass has passed: what waited for it is free to go.
  CHECK_EQ(setup.cache.ref().api->fence_done(fence), 1);
  setup.cache.ref().api->fence_release(fence);
  const uint32_t next = setup.cache.Allocate();
  setup.cache.Step(next, 1);
  CHECK_EQ(condemned(), 0u);
}

TEST(AFailedPassLeavesTheRunnerUsable) {
  Setup setup;
  const uint32_t sequence = setup.cache.Allocate();
  setup.cache.Step(sequence, 3);
  for (int i = 0; i < 3; ++i) {
    Outcome outcome;
    // Refused by the backend, on the runner's thread: it looks beyond what is backed.
    CHECK(setup.runner->Submit(MakeBatch({{sequence, {1, 2, 3}, 199}}, 1), outcome.Done()).ok());
    CHECK_EQ(outcome.Wait().code, VATTN_NOT_BACKED);
    // Refused at once.
    Outcome never;
    const Status status =
        setup.runner->Submit(MakeBatch({{sequence + 1, {1}, 1}}, 1), never.Done());
    CHECK_EQ(status.code, VATTN_STALE_SEQUENCE);
    CHECK(!never.done());
    Outcome good;
    CHECK(setup.runner->Submit(MakeBatch({{sequence, {1, 2, 3}, 3}}, 1), good.Done()).ok());
    CHECK(good.Wait().ok());
  }
}

TEST(ClosingWaitsForThePassInFlight) {
  for (int i = 0; i < 10; ++i) {
    Setup setup;
    const uint32_t sequence = setup.cache.Allocate();
    setup.cache.Step(sequence, 64);
    Outcome outcome;
    CHECK(setup.runner
              ->Submit(MakeBatch({{sequence, std::vector<int32_t>(64, 5), 64}}, 1), outcome.Done())
              .ok());
    setup.runner->Close();
    CHECK(outcome.done());
    CHECK(outcome.Wait().ok());
    setup.runner->Close();
    const Status status = setup.runner->Submit(MakeBatch({{sequence, {1}, 1}}, 1), outcome.Done());
    CHECK_EQ(status.code, VATTN_DISPOSED);
  }
}

TEST(RunnersThatCannotBeLeaveNothingBehind) {
  Setup setup;
  std::unique_ptr<LlamaRunner> runner;
  PassOptions options = Setup::Options();
  options.max_tokens = 0;
  CHECK_EQ(
      LlamaRunner::Create(setup.model, setup.cache.ref(), *vattn_cpu_backend(), options, &runner)
          .code,
      VATTN_INVALID_ARGUMENT);
  const auto incomplete = std::make_shared<LlamaModel>(setup.config);
  const Status status = LlamaRunner::Create(incomplete, setup.cache.ref(), *vattn_cpu_backend(),
                                            Setup::Options(), &runner);
  CHECK_EQ(status.code, VATTN_INVALID_ARGUMENT);
  CHECK(status.message.find("not complete") != std::string::npos);
  CHECK(runner == nullptr);
}

TEST(SeveralRunnersShareAModel) {
  Setup setup;
  TestCache other(setup.config, kCaches[3]);
  std::unique_ptr<LlamaRunner> second;
  CHECK(
      LlamaRunner::Create(setup.model, other.ref(), *vattn_cpu_backend(), Setup::Options(), &second)
          .ok());
  const uint32_t a = setup.cache.Allocate();
  const uint32_t b = other.Allocate();
  setup.cache.Step(a, 30);
  other.Step(b, 30);
  const std::vector<int32_t> tokens = testing::RandomTokens(30, 1, 101);
  Outcome outcomes[2];
  CHECK(setup.runner->Submit(MakeBatch({{a, tokens, 30}}, 101), outcomes[0].Done()).ok());
  CHECK(second->Submit(MakeBatch({{b, tokens, 30}}, 101), outcomes[1].Done()).ok());
  ForwardResult results[2];
  for (int i = 0; i < 2; ++i) CHECK(outcomes[i].Wait(&results[i]).ok());
  CHECK_EQ(results[0].tokens[0].token, results[1].tokens[0].token);
  CHECK_EQ(results[0].tokens[0].logprob, results[1].tokens[0].logprob);
}

}  // namespace
}  // namespace vattention::ops

TEST_MAIN()
