// Every driver call of a cache's life failing once, and several in a row: each failure is a typed
// result that changes nothing and leaks nothing, and the same call works afterwards.
#include <dirent.h>

#include <algorithm>
#include <cstdio>
#include <functional>

#include "tests/check.h"
#include "tests/paged_fixture.h"

namespace vattention::testing {
namespace {

vattn_fault_plan Failing(int64_t call, int64_t count = 1) {
  vattn_fault_plan plan = {};
  plan.size = sizeof(plan);
  plan.fail_call = call;
  plan.fail_count = count;
  plan.fail_code = 5;  // EIO: no driver takes it for a lack of memory
  return plan;
}

// A GPU's context opens and closes some of its own: 0 there.
int Descriptors() {
  if (OnCuda()) return 0;
  DIR* folder = opendir("/proc/self/fd");
  int count = 0;
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

// Address space of the host's arenas; other mappings come and go with malloc and the sanitizers.
int ArenaMappings() {
  FILE* maps = std::fopen("/proc/self/maps", "r");
  char line[4096];
  int count = 0;
  while (std::fgets(line, sizeof(line), maps) != nullptr) {
    count += std::string(line).find("memfd:vattention") != std::string::npos;
  }
  std::fclose(maps);
  return count;
}

// What must not change when a call fails.
struct State {
  std::vector<uint64_t> bytes;
  std::vector<std::vector<int32_t>> tables;
  std::vector<uint32_t> lengths;
  bool operator==(const State&) const = default;
};

// A life of a cache in calls that reach the driver, each tried until it succeeds.
class Life {
 public:
  Life(int64_t call, int64_t count) : cache_(Shape(), &none_) {
    Arm(Failing(call, count));
    Attach();
    const vattn_sequence a = Grown(30);
    for (uint32_t token = 0; token < 30; ++token) cache_.WriteToken(a, token, Value(token));
    Publish(a, 30);
    const vattn_sequence b = Fork(a, 21);
    Step({b}, {26});
    Truncate(b, 14);
    Step({a, b}, {33, 15});
    Free(a);
    const vattn_sequence c = Grown(60);  // recycled blocks, cached ones evicted
    Slide(c, 20);
    Step({c, b}, {64, 22});
    Fence(c);
    for (uint32_t token = 0; token < 14; ++token)
      CHECK_EQ(cache_.ReadToken(b, token), Value(token));
    CHECK_EQ(cache_.ReadToken(b, 15), 0.0f);
    Free(b);
    Free(c);
    Close();
  }

  int failures() const { return failures_; }

 private:
  static PagedShape Shape() {
    PagedShape shape;
    shape.blocks = 12;
    shape.max_length = 64;
    return shape;
  }
  static float Value(uint32_t token) { return static_cast<float>(token + 1); }

  void Arm(const vattn_fault_plan& plan) {
    CHECK_EQ(vattn_paged_faults_set(cache_.cache(), &plan, nullptr, &cache_.error), VATTN_OK);
  }
  State Now() {
    State state;
    const vattn_cache_stats stats = cache_.Stats();
    state.bytes = {stats.mapped_bytes,    stats.needed_bytes, stats.ahead_bytes,
                   stats.condemned_bytes, stats.used_bytes,   stats.shared_bytes,
                   stats.live_sequences,  stats.total_bytes};
    CHECK_EQ(stats.mapped_bytes + stats.condemned_bytes + stats.retained_bytes + stats.free_bytes,
             stats.total_bytes);
    for (const vattn_sequence sequence : live_) {
      state.tables.push_back(cache_.Table(sequence));
      state.lengths.push_back(cache_.BackedLength(sequence));
    }
    return state;
  }
  // A driver error may come any number of times; it must name the call and change nothing.
  void Try(const std::function<vattn_status()>& call) {
    for (;;) {
      const State before = Now();
      const vattn_status status = call();
      if (status == VATTN_OK) break;
      CHECK_EQ(status, VATTN_DEVICE_ERROR);
      CHECK_EQ(cache_.error.driver_code, 5);
      CHECK(std::string(cache_.error.driver_call).find("(injected)") != std::string::npos);
      CHECK(Now() == before);
      cache_.Check();
      ++failures_;
    }
    cache_.Check();
  }
  void Attach() {
    Try([&] {
      return cache_.api()->attach_stream(cache_.cache(), timeline_.stream(), &cache_.error);
    });
  }
  void Step(const std::vector<vattn_sequence>& sequences, const std::vector<uint32_t>& lengths) {
    Try([&] { return cache_.TryStep(sequences, lengths); });
    CHECK_EQ(cache_.step.outcome, VATTN_STEP_OK);
  }
  vattn_sequence Grown(uint32_t length) {
    const vattn_sequence sequence = cache_.Allocate();
    live_.push_back(sequence);
    Step({sequence}, {length});
    return sequence;
  }
  void Publish(vattn_sequence sequence, uint32_t count) { cache_.Publish(sequence, Tokens(count)); }
  vattn_sequence Fork(vattn_sequence source, uint32_t length) {
    const vattn_sequence sequence = cache_.Fork(source, length);
    live_.push_back(sequence);
    return sequence;
  }
  void Truncate(vattn_sequence sequence, uint32_t length) {
    Try([&] {
      return cache_.api()->truncate(cache_.cache(), sequence, length, nullptr, &cache_.error);
    });
  }
  void Slide(vattn_sequence sequence, uint32_t first) {
    Try([&] {
      return cache_.api()->slide(cache_.cache(), sequence, first, nullptr, &cache_.error);
    });
  }
  void Free(vattn_sequence sequence) {
    Try([&] { return cache_.api()->free(cache_.cache(), sequence, nullptr, &cache_.error); });
    std::erase(live_, sequence);
  }
  void Fence(vattn_sequence sequence) {
    vattn_fence* fence = nullptr;
    timeline_.Submit();
    Try([&] {
      return cache_.api()->record_fence(cache_.cache(), timeline_.stream(), &fence, &cache_.error);
    });
    Try([&] { return cache_.api()->truncate(cache_.cache(), sequence, 63, fence, &cache_.error); });
    timeline_.Complete();
    cache_.api()->fence_release(fence);
    Try([&] {
      return cache_.api()->wait_ready(cache_.cache(), timeline_.stream(), &cache_.error);
    });
    Try([&] {
      return cache_.api()->detach_stream(cache_.cache(), timeline_.stream(), &cache_.error);
    });
  }
  // What closing could not give back it gives back when it is asked again.
  void Close() {
    while (vattn_paged_close(cache_.cache(), &cache_.error) != VATTN_OK) {
      CHECK_EQ(cache_.error.status, VATTN_DEVICE_ERROR);
      ++failures_;
    }
  }

  const vattn_fault_plan none_ = Failing(0);
  PagedFixture cache_;
  Timeline timeline_;
  std::vector<vattn_sequence> live_;
  int failures_ = 0;
};

TEST(EveryDriverCallMayFail) {
  const int descriptors = Descriptors();
  const int mappings = ArenaMappings();
  int lives = 0;
  for (int64_t call = 1;; ++call, ++lives) {
    Life life(call, 1);
    CHECK_LE(life.failures(), 1);
    if (life.failures() == 0) break;
  }
  CHECK_GT(lives, 15);
  CHECK_EQ(Descriptors(), descriptors);
  CHECK_EQ(ArenaMappings(), mappings);
}

TEST(SeveralDriverCallsInARowMayFail) {
  const int descriptors = Descriptors();
  for (int64_t call = 1;; ++call) {
    Life life(call, 3);
    if (life.failures() == 0) break;
  }
  CHECK_EQ(Descriptors(), descriptors);
}

TEST(EveryDriverCallOfTheConstructorMayFail) {
  const int descriptors = Descriptors();
  const int mappings = ArenaMappings();
  for (const int32_t code : {5, 12}) {
    int64_t call = 1;
    for (;; ++call) {
      vattn_fault_plan plan = Failing(call);
      plan.fail_code = code;
      vattn_paged_options options = PagedShape{}.options();
      options.faults = &plan;
      vattn_cache_ref ref = {};
      ref.size = sizeof(ref);
      vattn_error error = {};
      error.size = sizeof(error);
      const vattn_status status = vattn_paged_create(&options, &ref, &error);
      if (status == VATTN_OK) {
        ref.api->release(ref.cache);
        break;
      }
      // A GPU's pool is cleared when it is made: no lack of memory can come of that.
      const bool clearing = std::string(error.driver_call).starts_with("zero");
      CHECK_EQ(status, code == 12 && !clearing ? VATTN_OUT_OF_MEMORY : VATTN_DEVICE_ERROR);
      CHECK(ref.cache == nullptr);
      CHECK(error.message[0] != '\0');
    }
    CHECK_GE(call, 4);  // reserve, create, map
  }
  CHECK_EQ(Descriptors(), descriptors);
  CHECK_EQ(ArenaMappings(), mappings);
}

TEST(ReleasingAnOpenCacheGivesEverythingBack) {
  const int descriptors = Descriptors();
  const int mappings = ArenaMappings();
  for (int i = 0; i < 20; ++i) {
    PagedFixture cache;
    cache.Grown(50);
    if (!OnCuda()) CHECK_GT(ArenaMappings(), mappings);
  }
  CHECK_EQ(Descriptors(), descriptors);
  CHECK_EQ(ArenaMappings(), mappings);
}

TEST(FaultsNeedAFaultyDriver) {
  PagedFixture cache;
  CHECK_EQ(vattn_paged_faults_set(cache.cache(), nullptr, nullptr, &cache.error),
           VATTN_UNSUPPORTED);
}

}  // namespace
}  // namespace vattention::testing

TEST_MAIN()
