// The mapper: what it does ahead of time, and that it gives way.
#include <atomic>
#include <thread>
#include <vector>

#include "tests/check.h"
#include "tests/memory_cache.h"

namespace vattention::testing {
namespace {

constexpr uint64_t kPage = 64 * kKiB;
constexpr uint32_t kPageTokens = 64;

vattn_contiguous_options MapperOptions(OptionsInit init = {}) {
  vattn_contiguous_options options = MakeOptions(init);
  options.map_ahead = 1;
  options.ahead_tokens = 128;
  options.idle_slots = -1;
  options.low_water_bytes = 2 * kPage;
  options.trace_events = 128;
  return options;
}

TEST(DecodeStepsMapNothingThemselves) {
  for (const int32_t layout : {VATTN_LAYOUT_INTERLEAVED, VATTN_LAYOUT_SPLIT}) {
    OptionsInit init;
    init.layout = layout;
    Cache cache(MapperOptions(init));
    const vattn_sequence a = cache.Allocate();
    cache.Grow(a, 10);
    for (uint32_t length = 11; length < 1000; ++length) {
      cache.Drain();  // stands for the time that a forward pass takes
      CHECK_EQ(cache.Grow(a, length).driver_calls, 0);
    }
    CHECK_EQ(cache.Stats().steps_mapped_sync, 1u);
    CHECK_GT(cache.Stats().ahead_bytes, 0u);
    cache.Check();
  }
}

TEST(PausedItDoesNothing) {
  Cache cache(MapperOptions());
  cache.Drain();
  cache.Pause();
  const uint64_t calls = cache.Stats().driver_calls;
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, kPageTokens);
  CHECK_EQ(vattn_mapper_drain(cache.get(), cache.Error()), VATTN_BUSY);
  CHECK_GT(cache.Stats().driver_calls, calls);
  CHECK_EQ(cache.Stats().ahead_bytes, 0u);
  cache.Resume();
  cache.Drain();
  CHECK_EQ(cache.Stats().ahead_bytes, 2 * kPage);
  cache.Check();
}

TEST(KeepsFreePagesReady) {
  Cache cache(MapperOptions());
  cache.Drain();
  CHECK_EQ(cache.Stats().free_bytes, 2 * kPage);
  cache.Pause();
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 2 * kPageTokens);
  CHECK_EQ(cache.Stats().free_bytes, 0u);
  cache.Resume();
  cache.Drain();
  CHECK_EQ(cache.Stats().free_bytes, 2 * kPage);
  cache.Check();
}

TEST(KeepsASlotMappedForTheNextPrompt) {
  for (const int32_t layout : {VATTN_LAYOUT_INTERLEAVED, VATTN_LAYOUT_SPLIT}) {
    OptionsInit init;
    init.layout = layout;
    vattn_contiguous_options options = MapperOptions(init);
    options.idle_slots = 2;
    Cache cache(options);
    cache.Drain();
    const vattn_cache_stats stats = cache.Stats();
    const uint64_t tensors = layout == VATTN_LAYOUT_SPLIT ? 4 : 1;
    CHECK_EQ(stats.parked_bytes, 2 * 4 * kPage * tensors);
    const vattn_sequence a = cache.Allocate();
    CHECK_EQ(cache.Grow(a, 4 * kPageTokens).driver_calls, 0);
    CHECK_EQ(cache.Stats().adoptions, 1u);
    cache.Drain();
    CHECK_EQ(cache.Stats().parked_bytes, 2 * 4 * kPage * tensors);
    cache.Check();
  }
}

TEST(ZeroesParkedRowsInTheBackground) {
  Cache cache(MapperOptions());
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 100);
  cache.Write(a, 0, 100, 1);
  cache.Drain();
  cache.Free(a);
  cache.Drain();
  CHECK_GE(cache.Stats().zeroed_bytes, 100 * kKiB);
  const vattn_sequence b = cache.Allocate();
  CHECK_EQ(cache.Grow(b, 100).driver_calls, 0);
  CHECK(cache.Holds(b, 0, 100, 0));
  cache.Check();
}

TEST(ZeroesWhatPromptsNeedOfEverySlotFirst) {
  vattn_contiguous_options options = MapperOptions();
  options.idle_slots = 1;
  options.idle_bytes = 2 * kPage;
  Cache cache(options);
  std::vector<vattn_sequence> sequences;
  for (int i = 0; i < 2; ++i) {
    sequences.push_back(cache.Allocate());
    // More than is zeroed in one piece, less than a page of the larger class.
    cache.Grow(sequences.back(), 20 * kPageTokens);
    cache.Write(sequences.back(), 0, 20 * kPageTokens, 1);
  }
  cache.Drain();
  cache.Pause();
  for (const vattn_sequence sequence : sequences) cache.Free(sequence);
  cache.Resume();
  cache.Drain();
  std::vector<vattn_event> events(128);
  const int32_t count = vattn_trace_read(cache.get(), events.data(), 128);
  std::vector<vattn_event> zeroings;
  for (int32_t i = 0; i < count; ++i) {
    if (events[static_cast<size_t>(i)].kind == VATTN_EVENT_ZERO) {
      zeroings.push_back(events[static_cast<size_t>(i)]);
    }
  }
  CHECK_GT(zeroings.size(), 2u);
  CHECK_NE(zeroings[0].slot, zeroings[1].slot);
  for (size_t i = 0; i < 2; ++i) CHECK_EQ(zeroings[i].bytes, 2 * kPage);
  CHECK_GE(cache.Stats().zeroed_bytes, 40 * kPage);
  cache.Check();
}

TEST(OfEqualParkedSlotsTheZeroedOneIsAdopted) {
  Cache cache(MapperOptions());
  std::vector<vattn_sequence> sequences;
  for (int i = 0; i < 3; ++i) {
    sequences.push_back(cache.Allocate());
    cache.Grow(sequences.back(), kPageTokens);
    cache.Write(sequences.back(), 0, kPageTokens, 1);
  }
  cache.Drain();
  const uint32_t clean = cache.Slot(sequences[1]);
  cache.Free(sequences[1]);
  cache.Drain();
  cache.Pause();
  cache.Free(sequences[0]);
  cache.Free(sequences[2]);
  const vattn_sequence next = cache.Allocate();
  CHECK_EQ(cache.Grow(next, kPageTokens).driver_calls, 0);
  CHECK_EQ(cache.Slot(next), clean);
  CHECK(cache.Holds(next, 0, kPageTokens, 0));
  cache.Check();
}

TEST(UnmapsSlidPagesOnceTheirFenceHasPassed) {
  Cache cache(MapperOptions());
  Timeline stream;
  cache.Attach(stream.get());
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 300);
  stream.Submit();
  cache.Slide(a, 256);
  cache.Drain();
  CHECK_EQ(cache.Stats().condemned_bytes, 4 * kPage);
  stream.Complete();
  cache.Drain();
  CHECK_EQ(cache.Stats().condemned_bytes, 0u);
  cache.Check();
}

TEST(AdoptedRowsAreCleanedAhead) {
  Cache cache(MapperOptions());
  cache.Pause();
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 600);
  cache.Write(a, 0, 600, 1);
  cache.Free(a);
  const vattn_sequence b = cache.Allocate();
  cache.Grow(b, 10);
  cache.Resume();
  for (uint32_t length = 11; length < 600; ++length) {
    cache.Drain();
    CHECK_EQ(cache.Grow(b, length).driver_calls, 0);
  }
  CHECK(cache.Holds(b, 0, 599, 0));
  cache.Check();
}

TEST(LeavesWhatATruncationForgotToWhoMayReadIt) {
  vattn_contiguous_options options = MapperOptions();
  options.tail_rows = 8;
  Cache cache(options);
  cache.Pause();
  Timeline stream;
  cache.Attach(stream.get());
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 40);
  cache.Write(a, 0, 40, 1);
  stream.Submit();
  cache.Truncate(a, 10);
  cache.Resume();
  cache.Drain();
  CHECK_GT(cache.Stats().ahead_bytes, 0u);  // it has been at work on this sequence
  CHECK(cache.Holds(a, 10, 40, 1));
  stream.Complete();
  cache.Grow(a, 11);
  CHECK(cache.Holds(a, 0, 10, 1));
  CHECK(cache.Holds(a, 10, 19, 0));
  cache.Check();
}

// Nothing is in flight here: who reads the sequence after the truncation reads its tail, too.
TEST(LeavesTheTailOfATruncatedSequenceToAStep) {
  vattn_contiguous_options options = MapperOptions();
  options.tail_rows = 8;
  Cache cache(options);
  cache.Pause();
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 40);
  cache.Write(a, 0, 40, 1);
  cache.Truncate(a, 10);
  cache.Resume();
  cache.Drain();
  CHECK_GT(cache.Stats().ahead_bytes, 0u);
  CHECK(cache.Holds(a, 10, 40, 1));
  cache.Grow(a, 11);
  CHECK(cache.Holds(a, 0, 10, 1));
  CHECK(cache.Holds(a, 10, 19, 0));
  cache.Check();
}

TEST(WhatIsAheadIsGivenUpBeforeAStepFails) {
  OptionsInit init;
  init.limit_bytes = 8 * kPage;
  vattn_contiguous_options options = MapperOptions(init);
  Cache cache(options);
  const vattn_sequence a = cache.Allocate();
  const vattn_sequence b = cache.Allocate();
  cache.Grow(a, 2 * kPageTokens);
  cache.Drain();
  const vattn_step_result result = cache.Step({b}, {6 * kPageTokens});
  CHECK_EQ(result.outcome, static_cast<int32_t>(VATTN_STEP_OK));
  cache.Check();
  CHECK_EQ(cache.Step({a}, {2 * kPageTokens + 1}).outcome,
           static_cast<int32_t>(VATTN_STEP_OUT_OF_MEMORY));
  cache.Check();
}

TEST(GivesBackWhatALowerLimitAsksFor) {
  Cache cache(MapperOptions());
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 640);
  cache.SetLimit(4 * kPage);
  CHECK_GE(cache.Stats().total_bytes, 10 * kPage);  // live memory stays
  cache.Free(a);
  cache.Drain();
  CHECK_LE(cache.Stats().total_bytes, 4 * kPage);
  cache.Check();
}

TEST(ManyThreadsAtOnce) {
  OptionsInit init;
  init.max_sequences = 24;
  init.limit_bytes = 24 * 10 * kPage;
  vattn_contiguous_options options = MapperOptions(init);
  options.idle_slots = 1;
  options.tail_rows = 5;
  Cache cache(options);
  Timeline stream;
  cache.Attach(stream.get());
  std::atomic<bool> failed{false};
  std::atomic<int> stepped{0};
  auto serve = [&](uint8_t id) {
    try {
      for (int round = 0; round < 30 && !failed; ++round) {
        vattn_sequence sequence = 0;
        vattn_error error{};
        error.size = sizeof(error);
        if (cache.api().allocate(cache.get(), &sequence, &error) != VATTN_OK) continue;
        uint32_t length = 0;
        vattn_step_result result{};
        uint32_t slot = 0;
        for (uint32_t next : {5u, 70u, 71u, 72u, 150u, 300u, 301u}) {
          result.size = sizeof(result);
          if (cache.api().step(cache.get(), &sequence, &next, 1, &result, &error) != VATTN_OK) {
            Fail(__FILE__, __LINE__, error.message);
          }
          if (result.outcome != VATTN_STEP_OK) break;
          vattn_rows rows{};
          rows.size = sizeof(rows);
          rows.slot = &slot;
          CHECK_EQ(cache.api().resolve(cache.get(), &sequence, 1, &rows, &error), VATTN_OK);
          for (uint32_t row = length; row < next; ++row) {
            uint8_t* at = cache.TokenAt(slot, row, 0, false);
            CHECK_EQ(at[0], 0);
            at[0] = id;
          }
          for (uint32_t row = 0; row < next; ++row) {
            CHECK_EQ(cache.TokenAt(slot, row, 0, false)[0], id);
          }
          length = next;
          ++stepped;
        }
        if (round % 3 == 0 && length > 10) {
          CHECK_EQ(cache.api().truncate(cache.get(), sequence, length / 2, nullptr, &error),
                   VATTN_OK);
        }
        if (round % 4 == 0) {
          vattn_sequence fork = 0;
          if (cache.api().fork(cache.get(), sequence, length / 2, &fork, &error) == VATTN_OK) {
            const uint32_t grown = length / 2 + 10;
            result.size = sizeof(result);
            CHECK_EQ(cache.api().step(cache.get(), &fork, &grown, 1, &result, &error), VATTN_OK);
            CHECK_EQ(cache.api().free(cache.get(), fork, nullptr, &error), VATTN_OK);
          }
        }
        CHECK_EQ(cache.api().free(cache.get(), sequence, nullptr, &error), VATTN_OK);
      }
    } catch (const CheckFailure& failure) {
      std::cout << failure.text << std::endl;
      failed = true;
    }
  };
  std::vector<std::thread> threads;
  for (uint8_t id = 1; id <= 4; ++id) threads.emplace_back(serve, id);
  // Work on a stream ends whatever the cache's callers do, as on a device: a step may wait for it,
  // and a trim for that step.
  std::atomic<bool> served{false};
  std::thread device([&] {
    while (!served) {
      stream.Submit();
      std::this_thread::yield();
      stream.Complete();
    }
  });
  std::thread meddler([&] {
    for (int i = 0; i < 200 && !failed; ++i) {
      vattn_error error{};
      error.size = sizeof(error);
      vattn_cache_stats stats{};
      stats.size = sizeof(stats);
      cache.api().stats(cache.get(), &stats, &error);
      if (stats.mapped_bytes + stats.retained_bytes + stats.parked_bytes + stats.condemned_bytes +
              stats.free_bytes !=
          stats.total_bytes) {
        failed = true;
      }
      if (i % 10 == 0) vattn_trim(cache.get(), kPage, nullptr, &error);
      if (i % 25 == 0) {
        if (vattn_contiguous_check(cache.get(), &error) != VATTN_OK) {
          std::cout << error.message << std::endl;
          failed = true;
        }
      }
      std::this_thread::yield();
    }
  });
  for (std::thread& thread : threads) thread.join();
  meddler.join();
  served = true;
  device.join();
  CHECK(!failed);
  CHECK_GT(stepped.load(), 0);
  cache.Drain();
  cache.Check();
  CHECK_EQ(cache.Stats().live_sequences, 0u);
  cache.Detach(stream.get());
}

TEST(EventsTellWhatHappened) {
  Cache cache(MapperOptions());
  std::vector<vattn_event> heard;
  std::vector<vattn_event>* heard_pointer = &heard;
  auto listen = [](void* context, const vattn_event* event) {
    (*static_cast<std::vector<vattn_event>**>(context))->push_back(*event);
  };
  cache.Must(vattn_events_listen(cache.get(), listen, &heard_pointer, cache.Error()), "listen");
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 100);
  cache.Drain();
  cache.Free(a);
  cache.Must(vattn_events_listen(cache.get(), nullptr, nullptr, cache.Error()), "listen");
  auto count = [](const std::vector<vattn_event>& events, int32_t kind, int32_t thread) {
    int n = 0;
    for (const vattn_event& event : events) n += event.kind == kind && event.thread == thread;
    return n;
  };
  CHECK_EQ(count(heard, VATTN_EVENT_STEP, 0), 1);
  CHECK_GT(count(heard, VATTN_EVENT_MAP_AHEAD, 1), 0);
  CHECK_EQ(count(heard, VATTN_EVENT_PARK, 0), 1);
  std::vector<vattn_event> ring(200);
  ring.resize(static_cast<size_t>(vattn_trace_read(cache.get(), ring.data(), 200)));
  CHECK_EQ(count(ring, VATTN_EVENT_STEP, 0), 1);
  for (size_t i = 1; i < ring.size(); ++i) {
    CHECK_GE(ring[i].start_ns + ring[i].duration_ns,
             ring[i - 1].start_ns + ring[i - 1].duration_ns - 1'000'000'000);
    CHECK_GE(ring[i].duration_ns, 0);
  }
}

}  // namespace
}  // namespace vattention::testing

TEST_MAIN()
