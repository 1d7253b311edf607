// `step` of the contiguous cache: backing, growing, atomicity, what is refused.
#include "tests/check.h"
#include "tests/memory_cache.h"

namespace vattention::testing {
namespace {

// One token of MakeOptions(): 2 layers x (K + V) x 2 heads x 64 x 2 bytes.
constexpr uint64_t kTokenBytes = 1024;
constexpr uint32_t kPageTokens = 64;

TEST(AllocateMovesNoMemory) {
  Cache cache(MakeOptions());
  const vattn_sequence sequence = cache.Allocate();
  CHECK_NE(sequence, 0u);
  CHECK_EQ(cache.Stats().total_bytes, 0u);
  CHECK_EQ(cache.Backed(sequence), 0u);
  cache.Check();
}

TEST(StepBacksWhatIsAskedInWholePages) {
  Cache cache(MakeOptions());
  const vattn_sequence sequence = cache.Allocate();
  const vattn_step_result result = cache.Grow(sequence, kPageTokens + 1);
  CHECK_EQ(result.mapped_bytes, 2 * 64 * kKiB);
  CHECK_GT(result.driver_calls, 0);
  CHECK_EQ(cache.Backed(sequence), kPageTokens + 1);
  CHECK(cache.Holds(sequence, 0, kPageTokens + 1, 0));
  cache.Write(sequence, 0, kPageTokens + 1, 7);
  CHECK(cache.Holds(sequence, 0, kPageTokens + 1, 7));
  const vattn_cache_stats stats = cache.Stats();
  CHECK_EQ(stats.mapped_bytes, 2 * 64 * kKiB);
  CHECK_EQ(stats.used_bytes, (kPageTokens + 1) * kTokenBytes);
  CHECK_EQ(stats.steps_mapped_sync, 1u);
  cache.Check();
}

TEST(StepWithinAPageMakesNoDriverCall) {
  Cache cache(MakeOptions());
  const vattn_sequence sequence = cache.Allocate();
  cache.Grow(sequence, 1);
  for (uint32_t length = 2; length <= kPageTokens; ++length) {
    const vattn_step_result result = cache.Grow(sequence, length);
    CHECK_EQ(result.driver_calls, 0);
    CHECK_EQ(result.mapped_bytes, 0u);
  }
  CHECK_EQ(cache.Stats().steps_mapped_sync, 1u);
  CHECK_GT(cache.Grow(sequence, kPageTokens + 1).driver_calls, 0);
}

TEST(TokensThatFillALargePageGetOne) {
  Cache cache(MakeOptions());
  const vattn_sequence sequence = cache.Allocate();
  cache.Grow(sequence, 2048 + 10);  // 2 MiB and 10 tokens
  const vattn_cache_stats stats = cache.Stats();
  CHECK_EQ(stats.mapped_bytes, 2 * kMiB + 64 * kKiB);
  CHECK_EQ(stats.pages_mapped, 2u);
  cache.Check();
}

TEST(OutOfMemoryIsAnOutcomeAndChangesNothing) {
  OptionsInit init;
  init.limit_bytes = 4 * 64 * kKiB;
  Cache cache(MakeOptions(init));
  const vattn_sequence a = cache.Allocate();
  const vattn_sequence b = cache.Allocate();
  cache.Grow(a, 2 * kPageTokens);
  cache.Write(a, 0, 2 * kPageTokens, 1);
  const vattn_cache_stats before = cache.Stats();
  const vattn_step_result result = cache.Step({a, b}, {3 * kPageTokens, 2 * kPageTokens});
  CHECK_EQ(result.outcome, static_cast<int32_t>(VATTN_STEP_OUT_OF_MEMORY));
  CHECK_EQ(result.limit, static_cast<int32_t>(VATTN_LIMIT_BYTES));
  CHECK_EQ(result.needed_bytes, 64 * kKiB);
  const vattn_cache_stats after = cache.Stats();
  CHECK_EQ(after.total_bytes, before.total_bytes);
  CHECK_EQ(after.mapped_bytes, before.mapped_bytes);
  CHECK_EQ(after.free_bytes, before.free_bytes);
  CHECK_EQ(after.driver_calls, before.driver_calls);
  CHECK_EQ(after.steps_out_of_memory, 1u);
  CHECK_EQ(cache.Backed(a), 2 * kPageTokens);
  CHECK_EQ(cache.Backed(b), 0u);
  CHECK(cache.Holds(a, 0, 2 * kPageTokens, 1));
  cache.Check();
  cache.Step({a, b}, {3 * kPageTokens, kPageTokens});
  CHECK_EQ(cache.Backed(b), kPageTokens);
  cache.Check();
}

TEST(BadArgumentsAreRefusedAndChangeNothing) {
  Cache cache(MakeOptions());
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 10);
  vattn_step_result result;
  CHECK_EQ(cache.TryStep({a}, {9}, &result), VATTN_INVALID_ARGUMENT);
  CHECK_EQ(cache.TryStep({a}, {4097}, &result), VATTN_INVALID_ARGUMENT);
  CHECK_EQ(cache.TryStep({a, a}, {11, 12}, &result), VATTN_INVALID_ARGUMENT);
  CHECK_EQ(cache.TryStep({0}, {1}, &result), VATTN_STALE_SEQUENCE);
  CHECK_EQ(cache.TryStep({a + (1u << 20)}, {11}, &result), VATTN_STALE_SEQUENCE);
  CHECK_EQ(cache.Backed(a), 10u);
  cache.Free(a);
  CHECK_EQ(cache.TryStep({a}, {11}, &result), VATTN_STALE_SEQUENCE);
  cache.Check();
}

TEST(MaxLengthWithTailFits) {
  vattn_contiguous_options options = MakeOptions();
  options.tail_rows = 100;
  Cache cache(options);
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 4096);
  cache.Write(a, 0, 4096, 3);
  CHECK(cache.Holds(a, 4096, 4196, 0));
  cache.Check();
}

}  // namespace
}  // namespace vattention::testing

TEST_MAIN()
