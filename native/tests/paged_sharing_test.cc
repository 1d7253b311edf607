// Sequences that share blocks, and sequences that give some up: fork, truncate, slide.
#include "tests/check.h"
#include "tests/paged_fixture.h"

namespace vattention::testing {
namespace {

using Table = std::vector<int32_t>;

// Token i of the first `count` holds i + 1.
void Number(PagedFixture* cache, vattn_sequence sequence, uint32_t count) {
  for (uint32_t token = 0; token < count; ++token) {
    cache->WriteToken(sequence, token, static_cast<float>(token + 1));
  }
}
void CheckNumbers(PagedFixture* cache, vattn_sequence sequence, uint32_t count) {
  for (uint32_t token = 0; token < count; ++token) {
    CHECK_EQ(cache->ReadToken(sequence, token), static_cast<float>(token + 1));
  }
}

TEST(ForkSharesFullBlocksAndCopiesThePartialOne) {
  for (const int32_t layout : {VATTN_POOL_NHD, VATTN_POOL_PAGED_ATTENTION}) {
    PagedShape shape;
    shape.pool_layout = layout;
    PagedFixture cache(shape);
    const vattn_sequence a = cache.Grown(22);
    for (uint32_t token = 0; token < 22; ++token) {
      cache.WriteToken(a, token, 1000.0f * static_cast<float>(token + 1));
    }
    const vattn_sequence b = cache.Fork(a, 19);
    CHECK_EQ(cache.BackedLength(b), 0u);
    CHECK_EQ(cache.Table(b).size(), 0u);
    cache.Check();
    CHECK_EQ(cache.TryStep({b}, {18}), VATTN_INVALID_ARGUMENT);
    cache.Step(b, 20);
    CHECK_EQ(cache.step.mapped_bytes, shape.block_bytes());
    CHECK_EQ(cache.BlockOf(a, 1), cache.BlockOf(b, 1));
    CHECK_NE(cache.BlockOf(a, 2), cache.BlockOf(b, 2));
    for (uint32_t token = 0; token < 19; ++token) {
      CHECK_EQ(cache.ReadToken(b, token), 1000.0f * static_cast<float>(token + 1));
    }
    // What the source wrote after the fork's length is not the fork's to see.
    for (uint32_t token = 19; token < 24; ++token) CHECK_EQ(cache.ReadToken(b, token), 0.0f);
    cache.WriteToken(b, 19, 5);
    CHECK_EQ(cache.ReadToken(a, 19), 20000.0f);
    const auto stats = cache.Stats();
    CHECK_EQ(stats.aliased_tokens, 16u);
    CHECK_EQ(stats.copied_tokens, 3u);
    CHECK_EQ(stats.copied_bytes, 3 * shape.bytes_per_token());
    CHECK_EQ(cache.Blocks(stats.shared_bytes), 2);
    CHECK_EQ(stats.used_bytes, (22 + 4) * shape.bytes_per_token());
    cache.Free(a);
    CHECK_EQ(cache.ReadToken(b, 0), 1000.0f);
    cache.Check();
  }
}

TEST(ForkNeedsBackedTokens) {
  PagedFixture cache;
  const vattn_sequence a = cache.Grown(10);
  vattn_sequence b = 0;
  CHECK_EQ(cache.api()->fork(cache.cache(), a, 11, &b, &cache.error), VATTN_NOT_BACKED);
  CHECK_EQ(cache.Stats().live_sequences, 1u);
  b = cache.Fork(a, 0);
  CHECK_EQ(cache.Stats().live_sequences, 2u);
  cache.Step(b, 1);
  cache.Check();
}

TEST(TheLastForkOfAFreedSourceTakesThePartialBlockOver) {
  for (const int32_t layout : {VATTN_POOL_NHD, VATTN_POOL_PAGED_ATTENTION}) {
    PagedShape shape;
    shape.blocks = 2;
    shape.pool_layout = layout;
    PagedFixture cache(shape);
    const vattn_sequence a = cache.Grown(13);
    Number(&cache, a, 13);
    const vattn_sequence b = cache.Fork(a, 11);
    cache.Free(a);
    CHECK_EQ(cache.Blocks(cache.Stats().ahead_bytes), 2);
    cache.Step(b, 12);  // a copy would need a third block
    CheckNumbers(&cache, b, 11);
    for (uint32_t token = 11; token < 16; ++token) CHECK_EQ(cache.ReadToken(b, token), 0.0f);
    cache.Check();
  }
}

TEST(AReservedForkKeepsWhatItWillShow) {
  PagedFixture cache;
  const vattn_sequence a = cache.Grown(12);
  Number(&cache, a, 12);
  const vattn_sequence b = cache.Fork(a, 12);
  cache.Truncate(a, 9);
  cache.Step(a, 12);  // would write rows that the fork waits for: copied first
  for (uint32_t token = 9; token < 12; ++token) cache.WriteToken(a, token, 77);
  cache.Step(b, 12);
  CheckNumbers(&cache, b, 12);
  CHECK_EQ(cache.ReadToken(a, 10), 77.0f);
  cache.Check();
}

TEST(ASourceGrowsBehindAReservedForkWithoutACopy) {
  PagedFixture cache;
  const vattn_sequence a = cache.Grown(12);
  const vattn_sequence b = cache.Fork(a, 12);
  cache.Step(a, 14);
  CHECK_EQ(cache.step.mapped_bytes, 0u);
  cache.Step(b, 13);
  cache.Check();
}

TEST(TruncateGivesBlocksBackAndKeepsThePartialOne) {
  PagedFixture cache;
  const vattn_sequence a = cache.Grown(40);
  cache.WriteToken(a, 18, 3);
  cache.WriteToken(a, 19, 4);
  cache.Truncate(a, 19);
  CHECK_EQ(cache.BackedLength(a), 19u);
  CHECK_EQ(cache.Table(a).size(), 3u);
  CHECK_EQ(cache.Blocks(cache.Stats().free_bytes), 21);
  cache.Step(a, 20);
  CHECK_EQ(cache.step.mapped_bytes, 0u);
  CHECK_EQ(cache.ReadToken(a, 18), 3.0f);
  CHECK_EQ(cache.ReadToken(a, 19), 4.0f);  // its own
  CHECK_EQ(cache.api()->truncate(cache.cache(), a, 21, nullptr, &cache.error), VATTN_NOT_BACKED);
  cache.Truncate(a, 0);
  CHECK_EQ(cache.Stats().mapped_bytes, 0u);
  cache.Check();
}

TEST(ASharedBlockIsCopiedBeforeItIsWritten) {
  PagedFixture cache;
  const vattn_sequence a = cache.Grown(16);
  Number(&cache, a, 16);
  const vattn_sequence b = cache.Fork(a, 16);
  cache.Step(b, 16);
  CHECK_EQ(cache.Blocks(cache.Stats().mapped_bytes), 2);
  cache.Truncate(b, 13);
  CHECK_EQ(cache.Stats().used_bytes, 16 * cache.shape.bytes_per_token());
  cache.Step(b, 14);
  CHECK_NE(cache.BlockOf(a, 1), cache.BlockOf(b, 1));
  cache.WriteToken(b, 13, 99);
  CHECK_EQ(cache.ReadToken(a, 13), 14.0f);
  CHECK_EQ(cache.ReadToken(b, 12), 13.0f);
  CHECK_EQ(cache.ReadToken(b, 14), 0.0f);
  CHECK_EQ(cache.Stats().copied_tokens, 0u);  // copy-on-write is not sharing
  CHECK_EQ(cache.Stats().copied_bytes, 5 * cache.shape.bytes_per_token());
  cache.Check();
}

TEST(UsedBytesCountASharedPartialBlockOnce) {
  PagedFixture cache;
  const vattn_sequence a = cache.Grown(16);
  const vattn_sequence b = cache.Fork(a, 16);
  cache.Step(b, 16);
  cache.Truncate(a, 10);
  CHECK_EQ(cache.Stats().used_bytes, 16 * cache.shape.bytes_per_token());
  cache.Truncate(b, 12);
  CHECK_EQ(cache.Stats().used_bytes, 12 * cache.shape.bytes_per_token());
  cache.Free(b);
  CHECK_EQ(cache.Stats().used_bytes, 10 * cache.shape.bytes_per_token());
}

TEST(SlideGivesUpBlocksWhollyBeforeTheWindow) {
  PagedFixture cache;
  const vattn_sequence a = cache.Grown(40);
  const Table before = cache.Table(a);
  cache.Slide(a, 18);
  CHECK(cache.Table(a) == (Table{-1, -1, before[2], before[3], before[4]}));
  CHECK_EQ(cache.Blocks(cache.Stats().mapped_bytes), 3);
  cache.Slide(a, 5);  // never back
  cache.Step(a, 48);
  cache.Slide(a, 48);
  CHECK(cache.Table(a) == (Table{-1, -1, -1, -1, -1, -1}));
  CHECK_EQ(cache.Stats().mapped_bytes, 0u);
  CHECK_EQ(cache.api()->slide(cache.cache(), a, 49, nullptr, &cache.error), VATTN_NOT_BACKED);
  cache.Step(a, 50);
  CHECK_EQ(cache.Table(a).size(), 7u);
  cache.Check();
}

TEST(AForkOfASlidSequenceHasItsHoles) {
  PagedFixture cache;
  const vattn_sequence a = cache.Grown(30);
  cache.WriteToken(a, 25, 6);
  cache.Slide(a, 24);
  const vattn_sequence b = cache.Fork(a, 27);
  cache.Step(b, 28);
  CHECK_EQ(cache.BlockOf(b, 2), -1);
  CHECK_EQ(cache.ReadToken(b, 25), 6.0f);
  vattn_sequence c = 0;  // all of it is behind the window
  CHECK_EQ(cache.api()->fork(cache.cache(), a, 12, &c, &cache.error), VATTN_INVALID_ARGUMENT);
  cache.Check();
}

TEST(AReservedForkCanBeForked) {
  PagedShape shape;
  PagedFixture cache(shape);
  const vattn_sequence a = cache.Grown(22);
  Number(&cache, a, 22);
  const vattn_sequence b = cache.Fork(a, 19);
  const vattn_sequence c = cache.Fork(b, 18);
  const vattn_sequence d = cache.Fork(b, 11);
  vattn_sequence none = 0;
  CHECK_EQ(cache.api()->fork(cache.cache(), b, 20, &none, &cache.error), VATTN_NOT_BACKED);
  cache.Free(b);
  cache.Free(a);
  cache.Check();
  cache.Step(c, 20);
  cache.Step(d, 12);
  CheckNumbers(&cache, c, 18);
  CheckNumbers(&cache, d, 11);
  CHECK_EQ(cache.ReadToken(c, 19), 0.0f);
  CHECK_EQ(cache.ReadToken(d, 11), 0.0f);
  cache.Check();
}

TEST(TruncatingBehindTheWindowsEdgeStartsAnew) {
  PagedFixture cache;
  const vattn_sequence a = cache.Grown(40);
  cache.Slide(a, 32);
  cache.Truncate(a, 12);
  CHECK(cache.Table(a) == (Table{-1, -1}));
  cache.Step(a, 14);
  CHECK_EQ(cache.BlockOf(a, 0), -1);
  CHECK_GE(cache.BlockOf(a, 1), 0);
  cache.Check();
}

TEST(TruncateShortensAReservation) {
  PagedFixture cache;
  const vattn_sequence a = cache.Grown(30);
  Number(&cache, a, 30);
  for (const uint32_t length : {28u, 24u, 19u, 16u, 3u, 0u}) {
    const vattn_sequence b = cache.Fork(a, 28);
    cache.Truncate(b, length);
    cache.Check();
    cache.Step(b, length + 1);
    for (uint32_t token = 0; token < length; ++token) {
      CHECK_EQ(cache.ReadToken(b, token), static_cast<float>(token + 1));
    }
    CHECK_EQ(cache.ReadToken(b, length), 0.0f);
    cache.Check();
    cache.Free(b);
  }
}

TEST(FreeingAReservationLeavesTheSource) {
  PagedFixture cache;
  const vattn_sequence a = cache.Grown(30);
  cache.Free(cache.Fork(a, 28));
  CHECK_EQ(cache.Blocks(cache.Stats().mapped_bytes), 4);
  CHECK_EQ(cache.Stats().shared_bytes, 0u);
  cache.Check();
}

}  // namespace
}  // namespace vattention::testing

TEST_MAIN()
