// Fences: memory leaves a sequence only when every attached stream, or the caller's fence, has
// passed.
#include <memory>

#include "memory/fence.h"
#include "tests/check.h"
#include "tests/memory_cache.h"

namespace vattention::testing {
namespace {

constexpr uint64_t kPage = 64 * kKiB;

TEST(AFreedSlotIsNotAdoptedBeforeItsFence) {
  OptionsInit init;
  init.max_sequences = 2;
  Cache cache(MakeOptions(init));
  Timeline stream;
  cache.Attach(stream.get());
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 64);
  cache.Write(a, 0, 64, 1);
  const uint32_t slot = cache.Slot(a);
  const uint8_t* row = cache.TokenAt(slot, 10, 0, false);
  stream.Submit();
  cache.Free(a);
  const vattn_sequence b = cache.Allocate();
  cache.Grow(b, 64);
  CHECK_NE(cache.Slot(b), slot);
  CHECK_EQ(row[0], 1);  // a kernel in flight still reads it
  const vattn_sequence c = cache.Allocate();
  vattn_step_result result = cache.Step({c}, {64});
  CHECK_EQ(result.outcome, static_cast<int32_t>(VATTN_STEP_OUT_OF_MEMORY));
  CHECK_EQ(result.pending_bytes, kPage);
  cache.Check();
  stream.Complete();
  result = cache.Grow(c, 64);
  CHECK_EQ(result.mapped_bytes, 0u);
  CHECK_EQ(cache.Slot(c), slot);
  CHECK(cache.Holds(c, 0, 64, 0));
  cache.Check();
  cache.Detach(stream.get());
}

TEST(PendingMemoryIsNotTakenAndIsReported) {
  OptionsInit init;
  init.limit_bytes = 2 * kPage;
  Cache cache(MakeOptions(init));
  Timeline stream;
  cache.Attach(stream.get());
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 128);
  stream.Submit();
  cache.Free(a);
  const vattn_sequence b = cache.Allocate();
  vattn_step_result result = cache.Step({b}, {64});
  CHECK_EQ(result.outcome, static_cast<int32_t>(VATTN_STEP_OUT_OF_MEMORY));
  CHECK_EQ(result.needed_bytes, kPage);
  CHECK_EQ(result.pending_bytes, 2 * kPage);
  stream.Complete();
  result = cache.Step({b}, {64});
  CHECK_EQ(result.outcome, static_cast<int32_t>(VATTN_STEP_OK));
  cache.Check();
}

TEST(TheCallersFenceReplacesTheStreams) {
  OptionsInit init;
  init.max_sequences = 1;
  Cache cache(MakeOptions(init));
  Timeline first;
  Timeline second;
  cache.Attach(first.get());
  cache.Attach(second.get());
  first.Submit();
  second.Submit();
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 64);
  vattn_fence* fence = cache.RecordFence(first.get());
  CHECK_EQ(cache.api().fence_done(fence), 0);
  cache.Free(a, fence);
  const vattn_sequence b = cache.Allocate();
  vattn_step_result result = cache.Step({b}, {64});
  CHECK_EQ(result.outcome, static_cast<int32_t>(VATTN_STEP_OUT_OF_MEMORY));
  first.Complete();
  CHECK_EQ(cache.api().fence_done(fence), 1);
  cache.api().fence_release(fence);
  result = cache.Step({b}, {64});
  CHECK_EQ(result.outcome, static_cast<int32_t>(VATTN_STEP_OK));
  second.Complete();
  cache.Check();
}

TEST(SlidPagesStayMappedUntilTheirFence) {
  Cache cache(MakeOptions());
  Timeline stream;
  cache.Attach(stream.get());
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 256);
  cache.Write(a, 0, 256, 1);
  const uint8_t* row = cache.TokenAt(cache.Slot(a), 5, 1, true);
  stream.Submit();
  cache.Slide(a, 200);
  vattn_cache_stats stats = cache.Stats();
  CHECK_EQ(stats.condemned_bytes, 3 * kPage);
  CHECK_EQ(stats.mapped_bytes, kPage);
  CHECK_EQ(cache.FirstKept(a), 200u);
  cache.Grow(a, 257);
  CHECK_EQ(row[0], 1);
  stream.Complete();
  cache.Grow(a, 258);  // without a mapper the next step cleans up
  stats = cache.Stats();
  CHECK_EQ(stats.condemned_bytes, 0u);
  CHECK_EQ(stats.free_bytes, 3 * kPage);
  CHECK(cache.Holds(a, 200, 256, 1));
  cache.Check();
  cache.Free(a);
  const vattn_sequence b = cache.Allocate();
  cache.Grow(b, 256);
  CHECK(cache.Holds(b, 0, 256, 0));
  cache.Check();
}

TEST(LeadRowsStayMapped) {
  vattn_contiguous_options options = MakeOptions();
  options.lead_rows = 64;
  Cache cache(options);
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 256);
  cache.Write(a, 0, 256, 1);
  cache.Slide(a, 191);
  CHECK_EQ(cache.Stats().condemned_bytes, kPage);  // rows 127.. stay
  CHECK(cache.Holds(a, 127, 256, 1));
  cache.Slide(a, 100);  // never back
  CHECK_EQ(cache.FirstKept(a), 191u);
  cache.Check();
}

TEST(TruncatedRowsAreNotGivenAwayBeforeTheirFence) {
  OptionsInit init;
  init.limit_bytes = 4 * kPage;
  Cache cache(MakeOptions(init));
  Timeline stream;
  cache.Attach(stream.get());
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 256);
  cache.Write(a, 0, 256, 1);
  stream.Submit();
  cache.Truncate(a, 64);
  CHECK_EQ(cache.Stats().surplus_bytes, 3 * kPage);
  const vattn_sequence b = cache.Allocate();
  vattn_step_result result = cache.Step({b}, {64});
  CHECK_EQ(result.outcome, static_cast<int32_t>(VATTN_STEP_OUT_OF_MEMORY));
  stream.Complete();
  result = cache.Step({b}, {64});
  CHECK_EQ(result.outcome, static_cast<int32_t>(VATTN_STEP_OK));
  CHECK(cache.Holds(b, 0, 64, 0));
  CHECK(cache.Holds(a, 0, 64, 1));
  cache.Grow(a, 128);
  CHECK(cache.Holds(a, 0, 64, 1));
  cache.Check();
}

TEST(AttachingIsCountedAndDetachingWaitsForNothingInFlight) {
  Cache cache(MakeOptions());
  auto stream = std::make_unique<Timeline>();
  cache.Attach(stream->get());
  cache.Attach(stream->get());
  cache.Detach(stream->get());
  stream->Submit();
  CHECK_EQ(cache.api().detach_stream(cache.get(), Cache::StreamOf(stream->get()), cache.Error()),
           VATTN_BUSY);
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 64);
  cache.Free(a);
  vattn_fence* fence = cache.RecordFence(stream->get());
  stream->Complete();
  cache.Detach(stream->get());
  stream.reset();  // nobody looks at it any more
  CHECK_EQ(cache.api().fence_done(fence), 1);
  cache.api().fence_release(fence);
  const vattn_sequence b = cache.Allocate();
  CHECK_EQ(cache.Grow(b, 64).mapped_bytes, 0u);
  CHECK_EQ(cache.api().detach_stream(cache.get(), Cache::StreamOf(nullptr), cache.Error()),
           VATTN_INVALID_ARGUMENT);
  cache.Check();
}

// A device's event, which outlives its stream.
class DeviceEvent final : public DriverEvent {
 public:
  explicit DeviceEvent(const bool* done) : done_(done) {}
  bool Done() override { return *done_; }

 private:
  const bool* done_;
};

TEST(AStreamOfADeviceIsDetachedWithWorkInFlightWhichIsStillWaitedFor) {
  bool done = false;
  int asked = 0;
  StreamRegistry streams([&](vattn_stream, std::unique_ptr<DriverEvent>* event) {
    ++asked;
    *event = std::make_unique<DeviceEvent>(&done);
    return DriverStatus{};
  });
  const vattn_stream stream = {VATTN_DEVICE_CUDA, 0, 0};
  CHECK(streams.Attach(stream).ok());
  FencePtr before;
  CHECK(streams.RecordAll(&before).ok());
  CHECK(streams.Detach(stream).ok());
  CHECK(!streams.IsAttached(stream));
  CHECK(!Passed(before));  // a fence of before is not given up either
  const int asked_before = asked;
  FencePtr after;
  CHECK(streams.RecordAll(&after).ok());
  CHECK(after != nullptr);
  CHECK(!after->Passed());
  CHECK_EQ(asked, asked_before);  // the stream may be gone: its event is asked
  done = true;
  CHECK(Passed(before));
  CHECK(after->Passed());
  CHECK(streams.RecordAll(&after).ok());
  CHECK(after == nullptr);
}

TEST(CloseIsRefusedWhileAStreamIsBusy) {
  Cache cache(MakeOptions());
  Timeline stream;
  cache.Attach(stream.get());
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 64);
  stream.Submit();
  CHECK_EQ(vattn_contiguous_close(cache.get(), cache.Error()), VATTN_BUSY);
  cache.Grow(a, 65);
  stream.Complete();
  cache.Close();
  cache.Close();
  vattn_sequence b = 0;
  CHECK_EQ(cache.api().allocate(cache.get(), &b, cache.Error()), VATTN_DISPOSED);
  vattn_cache_stats stats{};
  stats.size = sizeof(stats);
  CHECK_EQ(cache.api().stats(cache.get(), &stats, cache.Error()), VATTN_DISPOSED);
}

}  // namespace
}  // namespace vattention::testing

TEST_MAIN()
