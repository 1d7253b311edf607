// Order: blocks leave a sequence only behind the fences of what may still be using them.
#include <atomic>
#include <thread>

#include "tests/check.h"
#include "tests/paged_fixture.h"

namespace vattention::testing {
namespace {

void Attach(PagedFixture* cache, Timeline* timeline) {
  cache->Must(cache->api()->attach_stream(cache->cache(), timeline->stream(), &cache->error),
              "attach");
}

vattn_fence* Record(PagedFixture* cache, Timeline* timeline) {
  vattn_fence* fence = nullptr;
  cache->Must(cache->api()->record_fence(cache->cache(), timeline->stream(), &fence, &cache->error),
              "record");
  return fence;
}

TEST(FreedBlocksWaitForAttachedStreams) {
  PagedShape shape;
  shape.blocks = 4;
  PagedFixture cache(shape);
  Timeline timeline;
  Attach(&cache, &timeline);
  const vattn_sequence a = cache.Grown(24);
  cache.WriteToken(a, 3, 5);
  const std::vector<float*> row = cache.Row(cache.BlockOf(a, 0), 3);
  timeline.Submit();
  cache.Free(a);
  CHECK_EQ(cache.Blocks(cache.Stats().condemned_bytes), 3);
  CHECK_EQ(cache.Stats().mapped_bytes, 0u);
  const vattn_sequence b = cache.Allocate();
  CHECK_EQ(cache.TryStep({b}, {32}), VATTN_OK);
  CHECK_EQ(cache.step.outcome, VATTN_STEP_OUT_OF_MEMORY);
  CHECK_EQ(cache.step.needed_bytes, 3 * shape.block_bytes());
  CHECK_EQ(cache.step.pending_bytes, 3 * shape.block_bytes());
  CHECK_EQ(cache.ReadRow(row), 5.0f);
  cache.Check();
  timeline.Complete();
  cache.Step(b, 32);
  CHECK_EQ(cache.ReadRow(row), 0.0f);
  CHECK_EQ(cache.Stats().condemned_bytes, 0u);
  cache.Check();
}

TEST(WithoutWorkInFlightNothingWaits) {
  PagedFixture cache;
  Timeline timeline;
  Attach(&cache, &timeline);
  timeline.Submit();
  timeline.Complete();
  cache.Free(cache.Grown(24));
  CHECK_EQ(cache.Stats().condemned_bytes, 0u);
}

TEST(AnExplicitFenceReplacesTheAttachedStreams) {
  PagedFixture cache;
  Timeline slow;
  Timeline quick;
  Attach(&cache, &slow);
  Attach(&cache, &quick);
  slow.Submit();
  quick.Submit();
  vattn_fence* fence = Record(&cache, &quick);
  CHECK_EQ(cache.api()->fence_done(fence), 0);
  const vattn_sequence a = cache.Grown(40);
  cache.Truncate(a, 24, fence);
  cache.Slide(a, 8, fence);
  CHECK_EQ(cache.Blocks(cache.Stats().condemned_bytes), 3);
  quick.Complete();
  CHECK_EQ(cache.api()->fence_done(fence), 1);
  CHECK_EQ(cache.Stats().condemned_bytes, 0u);
  cache.Free(a);
  CHECK_EQ(cache.Blocks(cache.Stats().condemned_bytes), 2);  // slow's turn
  slow.Complete();
  CHECK_EQ(cache.Stats().condemned_bytes, 0u);
  cache.api()->fence_release(fence);
  cache.Check();
}

TEST(ABlockSharedByTwoWaitsForBoth) {
  PagedFixture cache;
  Timeline first;
  Timeline second;
  Attach(&cache, &first);
  Attach(&cache, &second);
  const vattn_sequence a = cache.Grown(16);
  const vattn_sequence b = cache.Fork(a, 16);
  cache.Step(b, 16);
  first.Submit();
  vattn_fence* of_first = Record(&cache, &first);
  cache.Free(a, of_first);
  CHECK_EQ(cache.Stats().condemned_bytes, 0u);  // b has the blocks
  second.Submit();
  vattn_fence* of_second = Record(&cache, &second);
  cache.Free(b, of_second);
  second.Complete();
  CHECK_EQ(cache.Blocks(cache.Stats().condemned_bytes), 2);  // a's kernels may still read them
  cache.Check();
  first.Complete();
  CHECK_EQ(cache.Stats().condemned_bytes, 0u);
  cache.api()->fence_release(of_first);
  cache.api()->fence_release(of_second);
}

TEST(ABlockThatSomebodyMayStillReadIsNotWrittenInPlace) {
  PagedFixture cache;
  Timeline timeline;
  Attach(&cache, &timeline);
  const vattn_sequence a = cache.Grown(16);
  const vattn_sequence b = cache.Fork(a, 16);
  cache.Step(b, 16);
  timeline.Submit();
  cache.Free(a);
  cache.Truncate(b, 12);
  // The copy comes after what is in flight, so somebody else has to end it.
  std::thread other([&] { timeline.Complete(); });
  cache.Step(b, 13);
  other.join();
  CHECK_EQ(timeline.idle(), true);
  cache.Check();
}

TEST(CachedBlocksAreHitWhileTheyWait) {
  PagedFixture cache;
  Timeline timeline;
  Attach(&cache, &timeline);
  const vattn_sequence a = cache.Grown(24);
  cache.Publish(a, Tokens(24));
  timeline.Submit();
  cache.Free(a);
  CHECK_EQ(cache.Blocks(cache.Stats().condemned_bytes), 3);
  const auto [b, shared] = cache.AllocatePrefix(Tokens(24));
  CHECK_EQ(shared, 16u);
  cache.Step(b, 17);
  CHECK_EQ(cache.Blocks(cache.Stats().condemned_bytes), 1);
  timeline.Complete();
  CHECK_EQ(cache.Blocks(cache.Stats().retained_bytes), 1);
  cache.Check();
}

TEST(ACopyWaitsForWhatIsInFlight) {
  PagedFixture cache;
  Timeline timeline;
  Attach(&cache, &timeline);
  const vattn_sequence a = cache.Grown(12);
  timeline.Submit();
  std::atomic<bool> stepped{false};
  bool early = false;
  const vattn_sequence b = cache.Fork(a, 12);
  std::thread kernel([&] {
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();
    early = stepped.load();
    for (uint32_t token = 0; token < 12; ++token) {
      cache.WriteToken(a, token, static_cast<float>(token + 1));  // resolves: needs the lock
    }
    timeline.Complete();
  });
  cache.Step(b, 13);
  stepped = true;
  kernel.join();
  CHECK(!early);
  for (uint32_t token = 0; token < 12; ++token) {
    CHECK_EQ(cache.ReadToken(b, token), static_cast<float>(token + 1));
  }
}

TEST(AStreamIsDetachedIdleAndAsOftenAsItWasAttached) {
  PagedFixture cache;
  Timeline timeline;
  const auto detach = [&] {
    return cache.api()->detach_stream(cache.cache(), timeline.stream(), &cache.error);
  };
  CHECK_EQ(detach(), VATTN_INVALID_ARGUMENT);
  Attach(&cache, &timeline);
  Attach(&cache, &timeline);
  timeline.Submit();
  CHECK_EQ(detach(), VATTN_OK);
  CHECK_EQ(detach(), VATTN_BUSY);
  timeline.Complete();
  CHECK_EQ(detach(), VATTN_OK);
  CHECK_EQ(detach(), VATTN_INVALID_ARGUMENT);
  CHECK_EQ(cache.api()->wait_ready(cache.cache(), timeline.stream(), &cache.error), VATTN_OK);
}

TEST(AStreamOfAnotherDeviceIsRefused) {
  PagedFixture cache;
  const vattn_stream cuda = {VATTN_DEVICE_CUDA, 1000, 0};
  vattn_fence* fence = nullptr;
  CHECK_EQ(cache.api()->attach_stream(cache.cache(), cuda, &cache.error), VATTN_INVALID_ARGUMENT);
  CHECK_EQ(cache.api()->record_fence(cache.cache(), cuda, &fence, &cache.error),
           VATTN_INVALID_ARGUMENT);
}

TEST(ClosingWaitsForNobodyAndRefusesWhileBusy) {
  PagedFixture cache;
  Timeline timeline;
  Attach(&cache, &timeline);
  const vattn_sequence a = cache.Grown(16);
  timeline.Submit();
  CHECK_EQ(vattn_paged_close(cache.cache(), &cache.error), VATTN_BUSY);
  cache.Step(a, 17);  // still alive
  timeline.Complete();
  CHECK_EQ(vattn_paged_close(cache.cache(), &cache.error), VATTN_OK);
  CHECK_EQ(cache.api()->detach_stream(cache.cache(), timeline.stream(), &cache.error), VATTN_OK);
}

TEST(AFenceOutlivesItsCache) {
  vattn_fence* fence = nullptr;
  Timeline timeline;
  const vattn_cache_api* api = vattn_paged_api();
  {
    PagedFixture cache;
    Attach(&cache, &timeline);
    timeline.Submit();
    fence = Record(&cache, &timeline);
  }
  CHECK_EQ(api->fence_done(fence), 0);
  timeline.Complete();
  CHECK_EQ(api->fence_done(fence), 1);
  api->fence_release(fence);
}

}  // namespace
}  // namespace vattention::testing

TEST_MAIN()
