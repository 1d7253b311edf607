// Threads of plans: their own, lent ones, many plans at once, runs that follow each other closely.
#include <atomic>
#include <chrono>
#include <thread>

#include "attention/cpu/thread_pool.h"
#include "tests/attention_cpu_fixture.h"

namespace vattention::testing {
namespace {

TEST(EveryIndexRunsOnce) {
  for (const int32_t threads : {1, 2, 4, 7}) {
    cpu::ThreadPool pool(threads, nullptr);
    CHECK_EQ(pool.threads(), threads);
    for (int round = 0; round < 2000; ++round) {
      std::atomic<int32_t> seen[7] = {};
      const int32_t count = round % threads + 1;
      pool.Run(
          count,
          [](void* argument, int32_t index) {
            static_cast<std::atomic<int32_t>*>(argument)[index].fetch_add(1);
          },
          seen);
      for (int32_t i = 0; i < 7; ++i) CHECK_EQ(seen[i].load(), i < count ? 1 : 0);
    }
  }
}

TEST(SleepingWorkersWake) {
  cpu::ThreadPool pool(3, nullptr);
  for (int round = 0; round < 20; ++round) {
    // Longer than workers watch for the next run.
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::atomic<int32_t> ran{0};
    pool.Run(
        3,
        [](void* argument, int32_t) { static_cast<std::atomic<int32_t>*>(argument)->fetch_add(1); },
        &ran);
    CHECK_EQ(ran.load(), 3);
  }
}

TEST(PoolsAreMadeAndEndedQuickly) {
  for (int round = 0; round < 100; ++round) {
    cpu::ThreadPool pool(4, nullptr);
    if (round % 2 == 0) continue;
    std::atomic<int32_t> ran{0};
    pool.Run(
        4,
        [](void* argument, int32_t) { static_cast<std::atomic<int32_t>*>(argument)->fetch_add(1); },
        &ran);
    CHECK_EQ(ran.load(), 4);
  }
}

// A lent pool that counts its calls.
struct Lent {
  int calls = 0;
  static void ParallelFor(void* context, int32_t count, void (*task)(void*, int32_t),
                          void* argument) {
    ++static_cast<Lent*>(context)->calls;
    std::vector<std::thread> threads;
    for (int32_t i = 0; i < count; ++i) threads.emplace_back([=] { task(argument, i); });
    for (std::thread& thread : threads) thread.join();
  }
};

TEST(ALentExecutorIsUsed) {
  Setup setup;
  setup.layers = 1;
  const Content content = MakeContent(setup, 1500, 1);
  Result results[2];
  Lent lent;
  const vattn_executor executor = {sizeof(vattn_executor), 3, &lent, &Lent::ParallelFor};
  for (int i = 0; i < 2; ++i) {
    TestCache cache(setup, 1, 1500);
    cache.Write(content, 0, 0, 1400);
    const vattn_config config = MakeConfig(setup, cache.Shape());
    vattn_limits limits = MakeLimits(setup, 1, 100, 1500);
    if (i == 1) limits.executor = &executor;
    vattn_plan* made = nullptr;
    Error error;
    CHECK_EQ(vattn_cpu_backend()->plan_create(&config, &limits, &made, &error), VATTN_OK);
    const PlanPtr plan(made);
    results[i] = RunPass(plan.get(), setup, cache, {{&content, 0, 100, 1500}});
  }
  CHECK_GT(lent.calls, 0);
  CHECK(results[0].output == results[1].output);
  CHECK(results[0].lse == results[1].lse);
}

TEST(PlansOfManyThreadsShareACache) {
  Setup setup;
  setup.layers = 1;
  const Content content = MakeContent(setup, 700, 1);
  TestCache cache(setup, 1, 700);
  cache.Write(content, 0, 0, 700);
  std::vector<std::thread> threads;
  std::vector<Result> results(4);
  for (size_t i = 0; i < results.size(); ++i) {
    threads.emplace_back([&, i] {
      const PlanPtr plan = MakePlan(setup, cache, 1, 700, 700);
      for (int round = 0; round < 3; ++round) {
        results[i] = RunPass(plan.get(), setup, cache, {{&content, 0, 60, 700}}, 0, 0, false);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Result& result : results) CHECK(result.output == results[0].output);
}

TEST(LayersFollowEachOther) {
  Setup setup;
  setup.threads = 3;
  const Content content = MakeContent(setup, 1200, 1);
  TestCache cache(setup, 1, 1200);
  cache.Write(content, 0, 0, 1200);
  const PlanPtr plan = MakePlan(setup, cache, 1, 4, 1200);
  const Result first = RunPass(plan.get(), setup, cache, {{&content, 0, 1, 1200}});
  for (int round = 0; round < 50; ++round) {
    const Result again = RunPass(plan.get(), setup, cache, {{&content, 0, 1, 1200}}, round % 2);
    CHECK(again.output == first.output);
  }
}

}  // namespace
}  // namespace vattention::testing

TEST_MAIN()
