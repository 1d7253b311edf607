// Forks, spans and shared prefixes: what is aliased, what is copied, and that nobody writes through
// a shared page.
#include "tests/check.h"
#include "tests/memory_cache.h"

namespace vattention::testing {
namespace {

constexpr uint32_t kPageTokens = 64;  // of MakeOptions(): 1 KiB per token
constexpr uint64_t kPage = 64 * kKiB;

TEST(ForkAliasesFullPagesAndCopiesTheBoundary) {
  Cache cache(MakeOptions());
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 200);
  cache.Write(a, 0, 200, 1);
  const vattn_sequence b = cache.Fork(a, 150);
  CHECK_EQ(cache.Stats().mapped_bytes, 4 * kPage);  // nothing has moved yet
  cache.Grow(b, 160);
  CHECK(cache.Holds(b, 0, 150, 1));
  CHECK(cache.Holds(b, 150, 160, 0));
  const vattn_cache_stats stats = cache.Stats();
  CHECK_EQ(stats.mapped_bytes, 5 * kPage);
  CHECK_EQ(stats.shared_bytes, 2 * kPage);
  CHECK_EQ(stats.aliased_tokens, 2 * kPageTokens);
  CHECK_EQ(stats.copied_tokens, 150 - 2 * kPageTokens);
  CHECK_EQ(stats.copied_bytes, (150 - 2 * kPageTokens) * kKiB);
  CHECK_EQ(stats.used_bytes, (200 + 160 - 2 * kPageTokens) * kKiB);  // shared tokens once
  cache.Write(b, 150, 160, 2);
  CHECK(cache.Holds(a, 0, 200, 1));
  cache.Check();
}

TEST(ForkOutlivesItsSource) {
  Cache cache(MakeOptions());
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 100);
  cache.Write(a, 0, 100, 1);
  const vattn_sequence b = cache.Fork(a, 100);
  cache.Free(a);
  const vattn_sequence c = cache.Allocate();  // wants the slot that a has left
  cache.Grow(c, 100);
  cache.Write(c, 0, 100, 9);
  cache.Grow(b, 100);
  CHECK(cache.Holds(b, 0, 100, 1));
  CHECK(cache.Holds(c, 0, 100, 9));
  cache.Check();
}

TEST(ForkOfAForkThatWasNeverStepped) {
  Cache cache(MakeOptions());
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 130);
  cache.Write(a, 0, 130, 1);
  const vattn_sequence b = cache.Fork(a, 120);
  const vattn_sequence c = cache.Fork(b, 90);
  cache.Free(b);
  cache.Free(a);
  cache.Grow(c, 91);
  CHECK(cache.Holds(c, 0, 90, 1));
  cache.Check();
}

TEST(WritingASharedPageAgainMakesItPrivate) {
  Cache cache(MakeOptions());
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 128);
  cache.Write(a, 0, 128, 1);
  const vattn_sequence b = cache.Fork(a, 128);
  cache.Grow(b, 128);
  CHECK_EQ(cache.Stats().shared_bytes, 2 * kPage);
  cache.Truncate(b, 100);
  const uint64_t copied = cache.Stats().copied_bytes;
  cache.Grow(b, 120);
  CHECK_EQ(cache.Stats().copied_bytes - copied, (100 - kPageTokens) * kKiB);
  cache.Write(b, 100, 120, 2);
  CHECK(cache.Holds(a, 0, 128, 1));
  CHECK(cache.Holds(b, 0, 100, 1));
  CHECK(cache.Holds(b, 100, 120, 2));
  CHECK_EQ(cache.Stats().shared_bytes, kPage);
  // The source may do the same: its other page is shared still.
  cache.Truncate(a, 10);
  cache.Grow(a, 20);
  cache.Write(a, 10, 20, 3);
  CHECK(cache.Holds(b, 0, 100, 1));
  CHECK_EQ(cache.Stats().shared_bytes, 0u);
  cache.Check();
}

TEST(SpansKeepPagesAfterTheirSequence) {
  Cache cache(MakeOptions());
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 128);
  cache.Write(a, 0, 128, 1);
  const vattn_span span = cache.Span(a, 0, 128);
  cache.Free(a);
  CHECK_EQ(cache.Stats().retained_bytes, 2 * kPage);
  CHECK_EQ(cache.Stats().parked_bytes, 0u);
  CHECK_EQ(cache.Trim(0), 0u);  // it is not for trimming
  const vattn_sequence b = cache.Shared({span}, 100);
  const vattn_step_result result = cache.Grow(b, 101);
  CHECK_GT(result.driver_calls, 0);
  CHECK(cache.Holds(b, 0, 100, 1));
  CHECK(cache.Holds(b, 100, 101, 0));
  cache.Write(b, 100, 101, 2);
  cache.Check();
  CHECK_EQ(cache.ReleaseSpan(span), kPage);  // b still maps the first
  CHECK(cache.Holds(b, 0, 100, 1));
  cache.Check();
}

TEST(AParkedSlotWithTheSamePagesIsAdoptedWithoutADriverCall) {
  Cache cache(MakeOptions());
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 200);
  cache.Write(a, 0, 200, 1);
  const vattn_span span = cache.Span(a, 0, 128);
  const uint32_t slot = cache.Slot(a);
  const uint64_t calls = cache.Stats().driver_calls;
  cache.Free(a);
  const vattn_sequence b = cache.Shared({span}, 128);
  vattn_step_result result = cache.Grow(b, 128);
  CHECK_EQ(result.driver_calls, 0);
  CHECK_EQ(cache.Stats().driver_calls, calls);
  CHECK_EQ(cache.Slot(b), slot);
  CHECK(cache.Holds(b, 0, 128, 1));
  CHECK_EQ(cache.Stats().adoptions, 1u);
  CHECK_EQ(cache.Stats().aliased_tokens, 128u);
  // What lies behind is a former owner's: it is zeroed before it is seen.
  cache.Grow(b, 140);
  CHECK(cache.Holds(b, 128, 140, 0));
  CHECK_EQ(cache.ReleaseSpan(span), 0u);
  cache.Check();
}

TEST(AppendingBehindARetainedBoundaryCopiesNothing) {
  Cache cache(MakeOptions());
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 100);
  cache.Write(a, 0, 100, 1);
  const vattn_span span = cache.Span(a, 0, 100);
  cache.Grow(a, 120);
  cache.Write(a, 100, 120, 2);
  CHECK_EQ(cache.Stats().copied_bytes, 0u);
  const vattn_sequence b = cache.Shared({span}, 100);
  cache.Grow(b, 110);
  CHECK(cache.Holds(b, 0, 100, 1));
  CHECK(cache.Holds(b, 100, 110, 0));
  // Going back into what the span holds does.
  cache.Truncate(a, 90);
  cache.Grow(a, 95);
  cache.Write(a, 90, 95, 3);
  const vattn_sequence c = cache.Shared({span}, 100);
  cache.Grow(c, 100);
  CHECK(cache.Holds(c, 0, 100, 1));
  CHECK(cache.Holds(a, 90, 95, 3));
  cache.Check();
}

TEST(AChainTakesEachPageFromTheLastSpanThatHasIt) {
  Cache cache(MakeOptions());
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 100);
  cache.Write(a, 0, 100, 1);
  const vattn_span first = cache.Span(a, 0, 100);
  const vattn_sequence b = cache.Shared({first}, 100);
  cache.Grow(b, 300);
  cache.Write(b, 100, 300, 2);
  const vattn_span second = cache.Span(b, 100, 300);
  cache.Free(a);
  cache.Free(b);
  const vattn_sequence c = cache.Shared({first, second}, 260);
  const uint64_t copied = cache.Stats().copied_bytes;
  cache.Grow(c, 261);
  CHECK(cache.Holds(c, 0, 100, 1));
  CHECK(cache.Holds(c, 100, 260, 2));
  CHECK(cache.Holds(c, 260, 261, 0));
  CHECK_LE(cache.Stats().copied_bytes - copied, kPage);
  cache.ReleaseSpan(first);
  cache.ReleaseSpan(second);
  CHECK(cache.Holds(c, 0, 100, 1));
  CHECK(cache.Holds(c, 100, 260, 2));
  cache.Check();
}

TEST(AChainOverPagesOfDifferentSizes) {
  Cache cache(MakeOptions());
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 2048);  // one page of 2 MiB
  cache.Write(a, 0, 2048, 1);
  const vattn_span first = cache.Span(a, 0, 2048);
  const vattn_sequence b = cache.Shared({first}, 1500);
  cache.Grow(b, 3000);
  CHECK(cache.Holds(b, 0, 1500, 1));
  cache.Write(b, 1500, 3000, 2);
  const vattn_span second = cache.Span(b, 1500, 3000);
  cache.Free(a);
  cache.Free(b);
  const vattn_sequence c = cache.Shared({first, second}, 2900);
  cache.Grow(c, 2901);
  CHECK(cache.Holds(c, 0, 1500, 1));
  CHECK(cache.Holds(c, 1500, 2900, 2));
  cache.Check();
}

TEST(TwoSequencesNeverAdoptTheSamePage) {
  Cache cache(MakeOptions());
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 128);
  const vattn_sequence b = cache.Fork(a, 128);
  cache.Grow(b, 128);
  cache.Free(a);
  cache.Free(b);  // two parked slots that map the same two pages
  CHECK_EQ(cache.Stats().parked_bytes, 2 * kPage);
  const vattn_sequence c = cache.Allocate();
  const vattn_sequence d = cache.Allocate();
  cache.Step({c, d}, {128, 128});
  cache.Write(c, 0, 128, 5);
  cache.Write(d, 0, 128, 6);
  CHECK(cache.Holds(c, 0, 128, 5));
  CHECK_EQ(cache.Stats().shared_bytes, 0u);
  cache.Check();
}

TEST(RefusalsOfSharing) {
  Cache cache(MakeOptions());
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 100);
  vattn_sequence other = 0;
  vattn_span span = 0;
  CHECK_EQ(cache.api().fork(cache.get(), a, 101, &other, cache.Error()), VATTN_NOT_BACKED);
  CHECK_EQ(vattn_span_create(cache.get(), a, 0, 101, &span, cache.Error()), VATTN_NOT_BACKED);
  CHECK_EQ(vattn_span_create(cache.get(), a, 5, 5, &span, cache.Error()), VATTN_INVALID_ARGUMENT);
  const vattn_span good = cache.Span(a, 20, 100);
  CHECK_EQ(vattn_allocate_shared(cache.get(), &good, 1, 50, &other, cache.Error()),
           VATTN_INVALID_ARGUMENT);  // does not begin at token 0
  const vattn_span start = cache.Span(a, 0, 20);
  const vattn_span chain[] = {start, good};
  CHECK_EQ(vattn_allocate_shared(cache.get(), chain, 2, 101, &other, cache.Error()),
           VATTN_INVALID_ARGUMENT);
  CHECK_EQ(vattn_allocate_shared(cache.get(), chain, 2, 100, &other, cache.Error()), VATTN_OK);
  cache.ReleaseSpan(start);
  CHECK_EQ(vattn_span_release(cache.get(), start, nullptr, cache.Error()), VATTN_INVALID_ARGUMENT);
  vattn_step_result result;
  CHECK_EQ(cache.TryStep({other}, {99}, &result), VATTN_INVALID_ARGUMENT);
  cache.Check();
}

TEST(RetainedPagesAreNotTakenForOthers) {
  OptionsInit init;
  init.limit_bytes = 4 * kPage;
  Cache cache(MakeOptions(init));
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 192);
  cache.Write(a, 0, 192, 1);
  const vattn_span span = cache.Span(a, 0, 192);
  cache.Free(a);
  const vattn_sequence b = cache.Allocate();
  vattn_step_result result = cache.Step({b}, {128});
  CHECK_EQ(result.outcome, static_cast<int32_t>(VATTN_STEP_OUT_OF_MEMORY));
  CHECK_EQ(result.needed_bytes, kPage);
  CHECK_EQ(result.evictable_bytes, 3 * kPage);
  CHECK_EQ(cache.ReleaseSpan(span), 3 * kPage);
  result = cache.Step({b}, {128});
  CHECK_EQ(result.outcome, static_cast<int32_t>(VATTN_STEP_OK));
  CHECK(cache.Holds(b, 0, 128, 0));
  cache.Check();
}

}  // namespace
}  // namespace vattention::testing

TEST_MAIN()
