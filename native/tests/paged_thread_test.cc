// Any thread may call: run under ThreadSanitizer, where a missing lock is an error.
#include <array>
#include <atomic>
#include <thread>

#include "tests/check.h"
#include "tests/paged_fixture.h"

namespace vattention::testing {
namespace {

constexpr int kThreads = 4;
constexpr int kRounds = 300;

TEST(ManyThreadsShareOneCache) {
  PagedShape shape;
  shape.max_sequences = 32;
  shape.blocks = 64;
  shape.trace_events = 32;
  PagedFixture cache(shape);
  std::array<std::string, kThreads> problems;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      // The API alone: the fixture's own error record is not for several threads.
      const vattn_cache_api* api = cache.api();
      vattn_cache* handle = cache.cache();
      vattn_error error = {};
      error.size = sizeof(error);
      Timeline timeline;
      api->attach_stream(handle, timeline.stream(), &error);
      const auto must = [&](vattn_status status, const char* what) {
        if (status != VATTN_OK)
          problems[static_cast<size_t>(t)] = std::string(what) + error.message;
      };
      for (int round = 0; round < kRounds; ++round) {
        const std::vector<uint32_t> tokens = Tokens(25, static_cast<uint32_t>(round % 5) * 100);
        vattn_sequence a = 0;
        uint32_t shared = 0;
        must(vattn_paged_allocate_prefix(handle, tokens.data(), 25, "", 0, &a, &shared, &error),
             "allocate ");
        const uint32_t length = 25;
        vattn_step_result result = {};
        result.size = sizeof(result);
        must(api->step(handle, &a, &length, 1, &result, &error), "step ");
        if (result.outcome == VATTN_STEP_OK) {
          timeline.Submit();
          must(vattn_paged_publish(handle, a, tokens.data(), 25, "", 0, &error), "publish ");
          vattn_sequence b = 0;
          must(api->fork(handle, a, 20, &b, &error), "fork ");
          timeline.Complete();
          const uint32_t longer = 24;
          must(api->step(handle, &b, &longer, 1, &result, &error), "step of a fork ");
          must(api->slide(handle, a, 9, nullptr, &error), "slide ");
          must(api->truncate(handle, a, 12, nullptr, &error), "truncate ");
          must(api->free(handle, b, nullptr, &error), "free ");
        }
        vattn_cache_stats stats = {};
        stats.size = sizeof(stats);
        must(api->stats(handle, &stats, &error), "stats ");
        if (stats.mapped_bytes + stats.retained_bytes + stats.condemned_bytes + stats.free_bytes !=
            stats.total_bytes) {
          problems[static_cast<size_t>(t)] = "states do not sum to the total";
        }
        must(api->free(handle, a, nullptr, &error), "free ");
        std::array<vattn_event, 4> events;
        vattn_paged_trace_read(handle, events.data(), 4);
      }
      must(api->detach_stream(handle, timeline.stream(), &error), "detach ");
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& problem : problems) CHECK_EQ(problem, std::string());
  cache.Check();
  CHECK_EQ(cache.Stats().mapped_bytes, 0u);
  CHECK_EQ(cache.Stats().condemned_bytes, 0u);
}

TEST(ClosingWhileOthersCall) {
  for (int round = 0; round < 20; ++round) {
    PagedFixture cache;
    std::atomic<int> strange{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      cache.api()->retain(cache.cache());
      threads.emplace_back([&] {
        vattn_sequence sequence = 0;
        vattn_status status = VATTN_OK;
        while (status == VATTN_OK) {
          status = cache.api()->allocate(cache.cache(), &sequence, nullptr);
          if (status == VATTN_OK)
            status = cache.api()->free(cache.cache(), sequence, nullptr, nullptr);
        }
        if (status != VATTN_DISPOSED) ++strange;
        cache.api()->release(cache.cache());
      });
    }
    CHECK_EQ(vattn_paged_close(cache.cache(), &cache.error), VATTN_OK);
    for (std::thread& thread : threads) thread.join();
    CHECK_EQ(strange.load(), 0);
  }
}

}  // namespace
}  // namespace vattention::testing

TEST_MAIN()
