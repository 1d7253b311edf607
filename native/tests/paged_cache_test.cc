// Each operation of the paged cache by itself.
#include <limits>

#include "tests/check.h"
#include "tests/paged_fixture.h"

namespace vattention::testing {
namespace {

using Table = std::vector<int32_t>;

TEST(StepBacksWholeBlocksAndLeavesTheRest) {
  PagedFixture cache;
  const vattn_sequence sequence = cache.Allocate();
  CHECK_EQ(cache.BackedLength(sequence), 0u);
  cache.Step(sequence, 17);
  CHECK_EQ(cache.step.mapped_bytes, 3 * cache.shape.block_bytes());
  CHECK_EQ(cache.step.driver_calls, 0);  // fresh memory is zero already
  CHECK_EQ(cache.BackedLength(sequence), 17u);
  CHECK(cache.Table(sequence) == (Table{0, 1, 2}));
  const auto stats = cache.Stats();
  CHECK_EQ(cache.Blocks(stats.mapped_bytes), 3);
  CHECK_EQ(cache.Blocks(stats.free_bytes), 21);
  CHECK_EQ(stats.used_bytes, 17 * cache.shape.bytes_per_token());
  CHECK_EQ(stats.pages_mapped, 3u);
  cache.Check();
}

TEST(StepWithinABlockTakesNone) {
  PagedFixture cache;
  const vattn_sequence sequence = cache.Grown(9);
  for (uint32_t length = 10; length <= 16; ++length) {
    cache.Step(sequence, length);
    CHECK_EQ(cache.step.mapped_bytes, 0u);
    CHECK_EQ(cache.step.driver_calls, 0);
  }
  cache.Step(sequence, 17);
  CHECK_EQ(cache.step.mapped_bytes, cache.shape.block_bytes());
}

TEST(StepIsAllOrNothing) {
  PagedFixture cache;
  const vattn_sequence a = cache.Grown(96);
  const vattn_sequence b = cache.Grown(80);
  const vattn_sequence c = cache.Allocate();
  const auto before = cache.Stats();
  CHECK_EQ(cache.TryStep({c, b}, {8, 88}), VATTN_OK);
  CHECK_EQ(cache.step.outcome, VATTN_STEP_OK);
  const vattn_sequence d = cache.Allocate();
  const vattn_sequence e = cache.Allocate();
  CHECK_EQ(cache.TryStep({d, e}, {8, 8}), VATTN_OK);
  CHECK_EQ(cache.step.outcome, VATTN_STEP_OUT_OF_MEMORY);
  CHECK_EQ(cache.step.limit, VATTN_LIMIT_BYTES);
  CHECK_EQ(cache.step.needed_bytes, 2 * cache.shape.block_bytes());
  CHECK_EQ(cache.step.pending_bytes, 0u);
  CHECK_EQ(cache.step.evictable_bytes, 0u);
  CHECK_EQ(cache.BackedLength(d), 0u);
  CHECK_EQ(cache.BackedLength(e), 0u);
  CHECK_EQ(cache.Stats().mapped_bytes, before.mapped_bytes + 2 * cache.shape.block_bytes());
  CHECK_EQ(cache.Stats().steps_out_of_memory, 1u);
  cache.Free(a);
  CHECK_EQ(cache.TryStep({d, e}, {8, 8}), VATTN_OK);
  CHECK_EQ(cache.step.outcome, VATTN_STEP_OK);
  cache.Check();
}

TEST(StepRefusesWhatMakesNoSense) {
  PagedFixture cache;
  const vattn_sequence a = cache.Grown(10);
  const vattn_sequence b = cache.Grown(10);
  CHECK_EQ(cache.TryStep({a, a}, {11, 12}), VATTN_INVALID_ARGUMENT);
  CHECK_EQ(cache.TryStep({b, a}, {20, 9}), VATTN_INVALID_ARGUMENT);
  CHECK_EQ(cache.TryStep({b, a}, {20, 97}), VATTN_INVALID_ARGUMENT);
  CHECK_EQ(cache.TryStep({b, a + 8}, {20, 12}), VATTN_STALE_SEQUENCE);
  CHECK_EQ(cache.TryStep({0}, {1}), VATTN_STALE_SEQUENCE);
  CHECK_EQ(cache.BackedLength(a), 10u);
  CHECK_EQ(cache.BackedLength(b), 10u);
  CHECK_EQ(cache.TryStep({}, {}), VATTN_OK);
  cache.Check();
}

TEST(ATableExactlyFullFitsAndOnePastDoesNot) {
  PagedShape shape;
  shape.max_length = 8 * 3;
  PagedFixture cache(shape);
  const vattn_sequence sequence = cache.Grown(24);
  CHECK_EQ(cache.view.max_blocks, 3);
  CHECK_EQ(cache.Table(sequence).size(), 3u);
  CHECK_EQ(cache.TryStep({sequence}, {25}), VATTN_INVALID_ARGUMENT);
  int32_t row[4] = {7, 7, 7, 7};
  vattn_rows rows = {};
  rows.size = sizeof(rows);
  rows.block_table = row;
  rows.block_table_stride = 2;
  CHECK_EQ(cache.api()->resolve(cache.cache(), &sequence, 1, &rows, &cache.error),
           VATTN_INVALID_ARGUMENT);
  CHECK_EQ(row[0], 7);
  rows.block_table_stride = 4;
  CHECK_EQ(cache.api()->resolve(cache.cache(), &sequence, 1, &rows, &cache.error), VATTN_OK);
  CHECK_EQ(row[2], 2);
  CHECK_EQ(row[3], -1);
  CHECK_EQ(rows.widest, 3);
}

TEST(APoolExactlyFullServesAndOneMoreDoesNot) {
  PagedShape shape;
  shape.blocks = 3;
  PagedFixture cache(shape);
  const vattn_sequence sequence = cache.Grown(24);
  CHECK_EQ(cache.TryStep({sequence}, {25}), VATTN_OK);
  CHECK_EQ(cache.step.outcome, VATTN_STEP_OUT_OF_MEMORY);
  CHECK_EQ(cache.step.needed_bytes, shape.block_bytes());
}

TEST(APoolMayBeLargerThanAnyRunOfPages) {
  PagedShape shape;
  shape.layers = 8;
  shape.kv_heads = 8;
  shape.head_dim = shape.value_head_dim = 128;
  shape.block_tokens = 256;
  shape.max_length = 1024;
  shape.blocks = 80;  // 16 MiB each: 1.25 GiB, a file lane has one
  PagedFixture cache(shape);
  CHECK_EQ(cache.Stats().total_bytes, 80 * shape.block_bytes());
  cache.Step(cache.Allocate(), 1024);
  cache.Check();
}

TEST(SlotsRunOutAndComeBack) {
  PagedShape shape;
  shape.max_sequences = 2;
  PagedFixture cache(shape);
  const vattn_sequence a = cache.Allocate();
  cache.Allocate();
  vattn_sequence c = 0;
  CHECK_EQ(cache.api()->allocate(cache.cache(), &c, &cache.error), VATTN_NO_SLOT);
  CHECK_EQ(cache.api()->fork(cache.cache(), a, 0, &c, &cache.error), VATTN_NO_SLOT);
  cache.Free(a);
  CHECK_EQ(cache.api()->allocate(cache.cache(), &c, &cache.error), VATTN_OK);
  CHECK_NE(a, c);
  CHECK_EQ(cache.api()->free(cache.cache(), a, nullptr, &cache.error), VATTN_STALE_SEQUENCE);
  CHECK(std::string(cache.error.message).find("is not live in this cache") != std::string::npos);
  cache.Check();
}

TEST(RecycledBlocksAreZeroed) {
  for (const int32_t layout : {VATTN_POOL_NHD, VATTN_POOL_PAGED_ATTENTION}) {
    PagedShape shape;
    shape.pool_layout = layout;
    shape.blocks = 4;
    PagedFixture cache(shape);
    const vattn_sequence a = cache.Grown(32);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    for (int32_t block = 0; block < 4; ++block) {
      for (int32_t row = 0; row < 8; ++row) {
        cache.FillRow(cache.Row(block, row), nan);
      }
    }
    cache.Free(a);
    const vattn_sequence b = cache.Grown(9);
    CHECK_GT(cache.step.driver_calls, 0);
    for (const int32_t block : cache.Table(b)) {
      for (int32_t row = 0; row < 8; ++row) CHECK_EQ(cache.ReadRow(cache.Row(block, row)), 0.0f);
    }
    CHECK_EQ(cache.Stats().zeroed_bytes, 2 * shape.block_bytes());
  }
}

TEST(AdjacentBlocksAreZeroedTogether) {
  PagedFixture cache;
  cache.Free(cache.Grown(96));
  cache.Free(cache.Grown(96));  // the rest of the pool
  const vattn_sequence sequence = cache.Grown(96);
  CHECK_EQ(cache.step.driver_calls, 2);  // keys of all layers, values of all layers
  CHECK_EQ(cache.Table(sequence).size(), 12u);
}

TEST(TheLimitChangesAtRunTime) {
  PagedFixture cache;
  const uint64_t block = cache.shape.block_bytes();
  const vattn_sequence a = cache.Grown(40);
  CHECK_EQ(cache.api()->set_limit(cache.cache(), 6 * block + 5, &cache.error), VATTN_OK);
  CHECK_EQ(cache.Stats().limit_bytes, 6 * block + 5);
  cache.Step(a, 48);
  CHECK_EQ(cache.TryStep({a}, {49}), VATTN_OK);
  CHECK_EQ(cache.step.outcome, VATTN_STEP_OUT_OF_MEMORY);
  CHECK_EQ(cache.api()->set_limit(cache.cache(), 2 * block, &cache.error), VATTN_OK);
  CHECK_EQ(cache.Blocks(cache.Stats().mapped_bytes), 6);  // live sequences keep theirs
  cache.Truncate(a, 8);
  cache.Step(a, 16);
  CHECK_EQ(cache.TryStep({a}, {17}), VATTN_OK);
  CHECK_EQ(cache.step.outcome, VATTN_STEP_OUT_OF_MEMORY);
  CHECK_EQ(cache.api()->set_limit(cache.cache(), 1u << 30, &cache.error), VATTN_OK);
  CHECK_EQ(cache.Stats().limit_bytes, 24 * block);
  cache.Step(a, 96);
  cache.Check();
}

TEST(StatsOfAnEmptyCache) {
  PagedFixture cache;
  const auto stats = cache.Stats();
  CHECK_EQ(stats.total_bytes, 24 * cache.shape.block_bytes());
  CHECK_EQ(stats.free_bytes, stats.total_bytes);
  CHECK_GE(stats.reserved_bytes, stats.total_bytes);
  CHECK_EQ(stats.pages_created, 24u);
  CHECK_EQ(stats.live_mappings, 1u);
}

TEST(StepsAreInTheHistogram) {
  PagedFixture cache;
  const vattn_sequence a = cache.Grown(1);
  for (uint32_t length = 2; length <= 10; ++length) cache.Step(a, length);
  uint64_t steps = 0;
  for (const uint64_t bucket : cache.Stats().step_ns_histogram) steps += bucket;
  CHECK_EQ(steps, 10u);
  CHECK_EQ(cache.Stats().steps, 10u);
}

TEST(AClosedCacheRefusesEverything) {
  PagedFixture cache;
  const vattn_sequence a = cache.Grown(10);
  vattn_fence* fence = nullptr;
  const vattn_stream own = {VATTN_DEVICE_CPU, 0, 0};
  CHECK_EQ(cache.api()->record_fence(cache.cache(), own, &fence, &cache.error), VATTN_OK);
  CHECK_EQ(vattn_paged_close(cache.cache(), &cache.error), VATTN_OK);
  CHECK_EQ(vattn_paged_close(cache.cache(), &cache.error), VATTN_OK);
  vattn_sequence b = 0;
  vattn_cache_stats stats = {};
  stats.size = sizeof(stats);
  CHECK_EQ(cache.api()->allocate(cache.cache(), &b, &cache.error), VATTN_DISPOSED);
  CHECK_EQ(cache.api()->fork(cache.cache(), a, 1, &b, &cache.error), VATTN_DISPOSED);
  CHECK_EQ(cache.TryStep({a}, {11}), VATTN_DISPOSED);
  CHECK_EQ(cache.api()->truncate(cache.cache(), a, 1, nullptr, &cache.error), VATTN_DISPOSED);
  CHECK_EQ(cache.api()->slide(cache.cache(), a, 1, nullptr, &cache.error), VATTN_DISPOSED);
  CHECK_EQ(cache.api()->free(cache.cache(), a, nullptr, &cache.error), VATTN_DISPOSED);
  CHECK_EQ(cache.api()->stats(cache.cache(), &stats, &cache.error), VATTN_DISPOSED);
  CHECK_EQ(cache.api()->set_limit(cache.cache(), 1, &cache.error), VATTN_DISPOSED);
  CHECK_EQ(cache.api()->wait_ready(cache.cache(), own, &cache.error), VATTN_DISPOSED);
  CHECK_EQ(cache.error.status, VATTN_DISPOSED);
  CHECK_EQ(cache.api()->fence_done(fence), 1);
  cache.api()->fence_release(fence);
}

TEST(OptionsAreChecked) {
  const auto status = [](const std::function<void(vattn_paged_options*)>& change) {
    vattn_paged_options options = PagedShape{}.options();
    change(&options);
    vattn_cache_ref ref = {};
    ref.size = sizeof(ref);
    vattn_error error = {};
    error.size = sizeof(error);
    const vattn_status result = vattn_paged_create(&options, &ref, &error);
    CHECK(ref.cache == nullptr);
    CHECK(error.message[0] != '\0');
    return result;
  };
  CHECK_EQ(status([](auto* o) { o->shape.layers = 0; }), VATTN_INVALID_ARGUMENT);
  CHECK_EQ(status([](auto* o) { o->shape.max_sequences = 1 << 25; }), VATTN_INVALID_ARGUMENT);
  CHECK_EQ(status([](auto* o) { o->shape.dtype = VATTN_INT32; }), VATTN_INVALID_ARGUMENT);
  CHECK_EQ(status([](auto* o) { o->block_tokens = 12; }), VATTN_INVALID_ARGUMENT);
  CHECK_EQ(status([](auto* o) { o->pool_layout = 2; }), VATTN_INVALID_ARGUMENT);
  CHECK_EQ(status([](auto* o) { o->limit_bytes = 767; }), VATTN_INVALID_ARGUMENT);
  CHECK_EQ(status([](auto* o) { o->hash_bits = 65; }), VATTN_INVALID_ARGUMENT);
  CHECK_EQ(status([](auto* o) { o->device_type = 7; }), VATTN_UNSUPPORTED);
  CHECK_EQ(status([](auto* o) {
             o->device_type = VATTN_DEVICE_CUDA;
             o->device_index = 1000;
           }),
           VATTN_UNSUPPORTED);
  CHECK_EQ(status([](auto* o) {
             o->pool_layout = VATTN_POOL_PAGED_ATTENTION;
             o->shape.head_dim = 6;
           }),
           VATTN_UNSUPPORTED);
  CHECK_EQ(status([](auto* o) { o->limit_bytes = uint64_t{1} << 46; }), VATTN_INVALID_ARGUMENT);
  CHECK_EQ(status([](auto* o) {
             o->shape.head_dim = 4096;
             o->limit_bytes = uint64_t{1} << 46;
           }),
           VATTN_OUT_OF_MEMORY);
}

TEST(TensorsOfBothLayouts) {
  PagedShape shape;
  PagedFixture nhd(shape);
  const vattn_tensor& key = nhd.view.key[1];
  CHECK_EQ(key.rank, 4);
  CHECK_EQ(key.shape[0], 24);
  CHECK_EQ(key.shape[1], 8);
  CHECK_EQ(key.stride[0], 8 * 2 * 4);
  CHECK_EQ(key.stride[1], 2 * 4);
  CHECK_EQ(key.stride[2], 4);
  CHECK_EQ(nhd.view.value[1].stride[1], 2 * 2);
  CHECK_EQ(nhd.view.finite_tail, 1);
  CHECK_EQ(nhd.view.blocks, 24);

  shape.pool_layout = VATTN_POOL_PAGED_ATTENTION;
  shape.head_dim = 8;
  PagedFixture published(shape);
  const vattn_tensor& split = published.view.key[0];
  CHECK_EQ(split.rank, 5);
  CHECK_EQ(split.shape[2], 2);  // 8 / x, x = 4 float32
  CHECK_EQ(split.shape[4], 4);
  CHECK_EQ(split.stride[0], 2 * 8 * 8);
  CHECK_EQ(split.stride[1], 8 * 8);
  CHECK_EQ(split.stride[2], 8 * 4);
  CHECK_EQ(split.stride[3], 4);
  const vattn_tensor& value = published.view.value[0];
  CHECK_EQ(value.rank, 4);
  CHECK_EQ(value.shape[2], 2);
  CHECK_EQ(value.shape[3], 8);
  CHECK_EQ(value.stride[2], 8);
  CHECK_EQ(value.stride[3], 1);
}

TEST(GeometryIsWhatACacheHas) {
  const vattn_paged_options options = PagedShape{}.options();
  vattn_paged_geometry geometry = {};
  geometry.size = sizeof(geometry);
  CHECK_EQ(vattn_paged_geometry_of(&options, &geometry, nullptr), VATTN_OK);
  PagedFixture cache;
  const auto stats = cache.Stats();
  CHECK_EQ(geometry.blocks, cache.view.blocks);
  CHECK_EQ(geometry.max_blocks, cache.view.max_blocks);
  CHECK_EQ(geometry.pool_bytes, stats.total_bytes);
  CHECK_EQ(geometry.reserved_bytes, stats.reserved_bytes);
  CHECK_EQ(geometry.block_bytes, cache.shape.block_bytes());
}

TEST(EventsTellWhatHappened) {
  PagedShape shape;
  shape.trace_events = 64;
  shape.blocks = 4;
  PagedFixture cache(shape);
  const vattn_sequence a = cache.Grown(30);
  cache.Free(a);
  const vattn_sequence b = cache.Grown(12);
  const vattn_sequence c = cache.Fork(b, 12);
  cache.Step(c, 12);
  CHECK_EQ(cache.TryStep({b}, {40}), VATTN_OK);
  std::vector<vattn_event> events(64);
  events.resize(static_cast<size_t>(vattn_paged_trace_read(cache.cache(), events.data(), 64)));
  std::vector<int32_t> kinds;
  for (const vattn_event& event : events) kinds.push_back(event.kind);
  CHECK(kinds == (std::vector<int32_t>{VATTN_EVENT_STEP, VATTN_EVENT_ZERO, VATTN_EVENT_STEP,
                                       VATTN_EVENT_ZERO, VATTN_EVENT_COPY, VATTN_EVENT_ALIAS,
                                       VATTN_EVENT_STEP, VATTN_EVENT_OUT_OF_MEMORY}));
  CHECK_EQ(events[0].bytes, 4 * shape.block_bytes());
  CHECK_EQ(events.back().bytes, 2 * shape.block_bytes());
  CHECK_EQ(vattn_paged_trace_read(cache.cache(), events.data(), 2), 2);
  CHECK_EQ(events[1].kind, VATTN_EVENT_OUT_OF_MEMORY);
}

TEST(TheRevisionChangesWhenRowsMayHaveGoneAndNotBefore) {
  PagedFixture cache;
  const auto revision = [&] { return cache.api()->revision(cache.cache()); };
  const uint64_t first = revision();
  const vattn_sequence a = cache.Grown(30);
  const vattn_sequence b = cache.Fork(a, 12);
  cache.Step(b, 20);
  CHECK_EQ(revision(), first);
  std::vector<uint64_t> seen = {first};
  const auto changed = [&] {
    for (const uint64_t before : seen) CHECK(revision() != before);
    seen.push_back(revision());
  };
  cache.Truncate(a, 20);
  changed();
  cache.Slide(a, 9);
  changed();
  cache.Free(b);
  changed();
  CHECK_EQ(vattn_paged_close(cache.cache(), &cache.error), VATTN_OK);
  changed();
}

}  // namespace
}  // namespace vattention::testing

TEST_MAIN()
