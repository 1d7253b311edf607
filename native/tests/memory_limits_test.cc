// Limits: bytes at run time, trimming, the mapping budget, control groups; parking and adopting.
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "memory/cgroup.h"
#include "tests/check.h"
#include "tests/memory_cache.h"

namespace vattention::testing {
namespace {

constexpr uint64_t kPage = 64 * kKiB;
constexpr uint32_t kPageTokens = 64;

TEST(AFreedSlotIsAdoptedWithItsPages) {
  Cache cache(MakeOptions());
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 4 * kPageTokens);
  const uint32_t slot = cache.Slot(a);
  cache.Free(a);
  CHECK_EQ(cache.Stats().parked_bytes, 4 * kPage);
  const vattn_sequence b = cache.Allocate();
  CHECK_EQ(cache.Grow(b, 4 * kPageTokens).mapped_bytes, 0u);
  CHECK_EQ(cache.Slot(b), slot);
  CHECK_EQ(cache.Stats().adoptions, 1u);
  cache.Check();
}

TEST(TheSmallestParkedSlotThatIsEnoughIsAdoptedElseTheLargest) {
  Cache cache(MakeOptions());
  std::vector<vattn_sequence> sequences;
  std::vector<uint32_t> slots;
  for (const uint32_t pages : {6u, 2u, 4u}) {
    sequences.push_back(cache.Allocate());
    cache.Grow(sequences.back(), pages * kPageTokens);
    slots.push_back(cache.Slot(sequences.back()));
  }
  for (const vattn_sequence sequence : sequences) cache.Free(sequence);
  const vattn_sequence three = cache.Allocate();
  CHECK_EQ(cache.Grow(three, 3 * kPageTokens).mapped_bytes, 0u);
  CHECK_EQ(cache.Slot(three), slots[2]);
  const vattn_sequence eight = cache.Allocate();
  CHECK_EQ(cache.Grow(eight, 8 * kPageTokens).mapped_bytes, 2 * kPage);
  CHECK_EQ(cache.Slot(eight), slots[0]);
  const vattn_sequence one = cache.Allocate();
  CHECK_EQ(cache.Grow(one, 1).mapped_bytes, 0u);
  CHECK_EQ(cache.Slot(one), slots[1]);
  CHECK_EQ(cache.Stats().surplus_bytes, 2 * kPage);  // of `three` and `one`
  cache.Check();
}

TEST(RecycledRowsAreZeroAndTruncatedOnesAreTheSequencesOwn) {
  Cache cache(MakeOptions());
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 200);
  cache.Write(a, 0, 200, 0xEE);
  cache.Free(a);
  const vattn_sequence b = cache.Allocate();
  for (const uint32_t length : {1u, 64u, 65u, 199u, 200u, 201u}) {
    const uint32_t before = cache.Backed(b);
    cache.Grow(b, length);
    CHECK(cache.Holds(b, before, length, 0));
    cache.Write(b, before, length, 2);
  }
  cache.Truncate(b, 100);
  cache.Grow(b, 150);
  CHECK(cache.Holds(b, 0, 150, 2));
  cache.Check();
}

TEST(AnAdoptedPageIsZeroedOnceNotRowByRow) {
  for (const int32_t layout : {VATTN_LAYOUT_INTERLEAVED, VATTN_LAYOUT_SPLIT}) {
    OptionsInit init;
    init.layout = layout;
    Cache cache(MakeOptions(init));
    const uint64_t tensors = layout == VATTN_LAYOUT_SPLIT ? 4 : 1;
    const auto page_tokens = static_cast<uint32_t>(kPageTokens * tensors);
    const vattn_sequence a = cache.Allocate();
    cache.Grow(a, 2 * page_tokens);
    cache.Write(a, 0, 2 * page_tokens, 0xEE);
    cache.Free(a);
    const vattn_sequence b = cache.Allocate();
    for (uint32_t length = 1; length <= 2 * page_tokens; ++length) {
      const bool enters_page = length % page_tokens == 1;
      CHECK_EQ(cache.Grow(b, length).driver_calls, static_cast<int32_t>(enters_page ? tensors : 0));
      CHECK(cache.Holds(b, length - 1, length, 0));
      cache.Write(b, length - 1, length, 2);
    }
    CHECK_EQ(cache.Stats().zeroed_bytes, 2 * kPage * tensors);
    cache.Check();
  }
}

TEST(TailRowsAreBackedAndZero) {
  vattn_contiguous_options options = MakeOptions();
  options.tail_rows = 30;
  Cache cache(options);
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 300);
  cache.Write(a, 0, 300, 0xEE);
  cache.Free(a);
  const vattn_sequence b = cache.Allocate();
  for (uint32_t length = 1; length < 290; length += 17) {
    const uint32_t before = cache.Backed(b);
    cache.Grow(b, length);
    CHECK(cache.Holds(b, before, length + 30, 0));
    cache.Write(b, before, length, 2);
  }
  cache.Check();
}

TEST(TailRowsDoNotShowWhatWasTruncated) {
  for (const int32_t layout : {VATTN_LAYOUT_INTERLEAVED, VATTN_LAYOUT_SPLIT}) {
    OptionsInit init;
    init.layout = layout;
    vattn_contiguous_options options = MakeOptions(init);
    options.tail_rows = 30;
    Cache cache(options);
    const vattn_sequence a = cache.Allocate();
    cache.Grow(a, 300);
    cache.Write(a, 0, 300, 2);
    for (const uint32_t length : {250u, 100u, 7u}) {
      const uint32_t grown = length + 3;
      cache.Truncate(a, length);
      cache.Grow(a, grown);
      CHECK(cache.Holds(a, 0, length, 2));
      CHECK(cache.Holds(a, length, grown + 30, 0));
      cache.Write(a, length, grown, 2);
      cache.Check();
    }
  }
}

TEST(WithoutZeroingAdoptedRowsKeepOldDataButNewPagesAreZero) {
  OptionsInit init;
  init.limit_bytes = 4 * kPage;
  vattn_contiguous_options options = MakeOptions(init);
  options.zero = VATTN_ZERO_NEW;
  Cache cache(options);
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 64);
  cache.Write(a, 0, 64, 7);
  cache.Free(a);
  const vattn_sequence b = cache.Allocate();
  cache.Grow(b, 128);
  CHECK(cache.Holds(b, 0, 64, 7));
  CHECK(cache.Holds(b, 64, 128, 0));
  CHECK_EQ(cache.Stats().zeroed_bytes, 0u);
  cache.Write(b, 0, 128, 8);
  const vattn_sequence c = cache.Allocate();
  cache.Free(b);
  cache.Grow(c, 1);  // adopts both pages, old data in them
  const vattn_sequence d = cache.Allocate();
  cache.Grow(d, 3 * 64);  // the other page comes from c's surplus: another sequence's page
  CHECK(cache.Holds(d, 0, 3 * 64, 0));
  cache.Check();
}

TEST(WasteStaysBelowOnePagePerTensor) {
  for (const int32_t layout :
       {VATTN_LAYOUT_INTERLEAVED, VATTN_LAYOUT_LAYER_GROUP, VATTN_LAYOUT_SPLIT}) {
    OptionsInit init;
    init.layout = layout;
    init.head_dim = 80;
    init.value_head_dim = 80;
    Cache cache(MakeOptions(init));
    const uint64_t tensors = layout == VATTN_LAYOUT_INTERLEAVED   ? 1
                             : layout == VATTN_LAYOUT_LAYER_GROUP ? 2
                                                                  : 4;
    std::vector<vattn_sequence> live;
    for (uint32_t i = 0; i < 300; ++i) {
      if (live.size() == 8 || (i % 5 == 4 && !live.empty())) {
        cache.Free(live[i % live.size()]);
        live.erase(live.begin() + static_cast<std::ptrdiff_t>(i % live.size()));
      }
      live.push_back(cache.Allocate());
      cache.Grow(live.back(), 1 + (i * 997) % 3000);
      if (i % 7 == 0) cache.Truncate(live.back(), (i * 31) % (cache.Backed(live.back()) + 1));
      const vattn_cache_stats stats = cache.Stats();
      CHECK_LT(stats.needed_bytes - stats.used_bytes, live.size() * tensors * kPage);
    }
    cache.Check();
  }
}

TEST(LoweringTheLimitGivesBackFreeThenParkedMemory) {
  Cache cache(MakeOptions());
  const vattn_sequence a = cache.Allocate();
  const vattn_sequence b = cache.Allocate();
  cache.Grow(a, 4 * kPageTokens);
  cache.Grow(b, 3 * kPageTokens);
  cache.Free(b);
  cache.SetLimit(5 * kPage);
  vattn_cache_stats stats = cache.Stats();
  CHECK_EQ(stats.total_bytes, 5 * kPage);
  CHECK_EQ(stats.parked_bytes, kPage);
  CHECK_EQ(stats.limit_bytes, 5 * kPage);
  cache.SetLimit(2 * kPage);
  stats = cache.Stats();
  CHECK_EQ(stats.total_bytes, 4 * kPage);  // what lives stays
  CHECK_EQ(cache.Step({a}, {4 * kPageTokens + 1}).outcome,
           static_cast<int32_t>(VATTN_STEP_OUT_OF_MEMORY));
  cache.SetLimit(64 * kMiB);
  cache.Grow(a, 4 * kPageTokens + 1);
  CHECK_EQ(cache.api().set_limit(cache.get(), 1, cache.Error()), VATTN_INVALID_ARGUMENT);
  cache.Check();
}

TEST(TrimKeepsWhatItIsTold) {
  Cache cache(MakeOptions());
  for (uint32_t pages = 1; pages <= 4; ++pages) {
    const vattn_sequence a = cache.Allocate();
    cache.Grow(a, 5 * kPageTokens);
    cache.Free(a);
    CHECK_EQ(cache.Trim(pages * kPage), (5 - pages) * kPage);
    CHECK_EQ(cache.Stats().total_bytes, pages * kPage);
    CHECK_EQ(cache.Trim(pages * kPage), 0u);
    cache.Check();
  }
}

TEST(OldestParkedSlotsGiveFirst) {
  OptionsInit init;
  init.limit_bytes = 6 * kPage;
  Cache cache(MakeOptions(init));
  const vattn_sequence a = cache.Allocate();
  const vattn_sequence b = cache.Allocate();
  const vattn_sequence keeps = cache.Allocate();
  cache.Grow(a, 2 * kPageTokens);
  cache.Grow(b, 2 * kPageTokens);
  cache.Grow(keeps, 2 * kPageTokens);
  const uint32_t slot_b = cache.Slot(b);
  cache.Free(a);
  cache.Free(b);
  cache.Grow(keeps, 4 * kPageTokens);
  CHECK_EQ(cache.Stats().evictions, 1u);
  CHECK_EQ(cache.Stats().parked_bytes, 2 * kPage);
  const vattn_sequence c = cache.Allocate();
  CHECK_EQ(cache.Grow(c, 2 * kPageTokens).mapped_bytes, 0u);
  CHECK_EQ(cache.Slot(c), slot_b);
  cache.Check();
}

TEST(SurplusOfLiveSequencesIsGivenUpBeforeAStepFails) {
  OptionsInit init;
  init.limit_bytes = 8 * kPage;
  Cache cache(MakeOptions(init));
  vattn_sequence a = cache.Allocate();
  cache.Grow(a, 8 * kPageTokens);
  cache.Free(a);
  a = cache.Allocate();
  cache.Grow(a, 1);
  CHECK_EQ(cache.Stats().surplus_bytes, 7 * kPage);
  const vattn_sequence b = cache.Allocate();
  cache.Grow(b, 6 * kPageTokens);
  cache.Step({a, b}, {kPageTokens, 7 * kPageTokens});
  CHECK_EQ(cache.Backed(b), 7 * kPageTokens);
  CHECK_EQ(cache.Stats().surplus_bytes, 0u);
  cache.Check();
}

TEST(TheMappingBudgetIsRespected) {
  OptionsInit init;
  init.layout = VATTN_LAYOUT_SPLIT;
  init.max_sequences = 16;
  vattn_contiguous_options options = MakeOptions(init);
  options.mapping_budget = 40;
  Cache cache(options);
  std::vector<vattn_sequence> live;
  vattn_step_result result{};
  for (int i = 0; i < 16; ++i) {
    live.push_back(cache.Allocate());
    result = cache.Step({live.back()}, {100});
    cache.Check();
    if (result.outcome != VATTN_STEP_OK) break;
  }
  CHECK_EQ(result.outcome, static_cast<int32_t>(VATTN_STEP_OUT_OF_MEMORY));
  CHECK_EQ(result.limit, static_cast<int32_t>(VATTN_LIMIT_MAPPINGS));
  CHECK_GT(result.needed_bytes, 0u);
  CHECK_LE(cache.Stats().live_mappings, 40u);
  // Parked mappings make room.
  cache.Free(live[0]);
  cache.Free(live[1]);
  result = cache.Step({live.back()}, {2000});
  CHECK_EQ(result.outcome, static_cast<int32_t>(VATTN_STEP_OK));
  cache.Check();
}

// Mappings of the process that lie in a cache's reservation.
uint64_t MappingsInside(const Cache& cache, uint64_t reserved_bytes) {
  const auto base = reinterpret_cast<uintptr_t>(cache.view().key[0].data);
  std::ifstream maps("/proc/self/maps");
  uint64_t count = 0;
  for (std::string line; std::getline(maps, line);) {
    const uintptr_t start = std::strtoull(line.c_str(), nullptr, 16);
    if (start >= base && start < base + reserved_bytes) ++count;
  }
  return count;
}

TEST(ChargedMappingsBoundTheRealOnes) {
  for (const int32_t layout : {VATTN_LAYOUT_INTERLEAVED, VATTN_LAYOUT_SPLIT}) {
    OptionsInit init;
    init.layout = layout;
    Cache cache(MakeOptions(init));
    std::vector<vattn_sequence> live;
    for (uint32_t i = 0; i < 8; ++i) live.push_back(cache.Allocate());
    for (uint32_t round = 1; round <= 10; ++round) {
      for (const vattn_sequence sequence : live) cache.Grow(sequence, round * 150);
    }
    const vattn_cache_stats stats = cache.Stats();
    const uint64_t real = MappingsInside(cache, stats.reserved_bytes);
    CHECK_LE(real, stats.live_mappings + 1);
    // Runs that grow page by page still merge.
    const uint64_t tensors = layout == VATTN_LAYOUT_SPLIT ? 4 : 1;
    CHECK_LE(stats.live_mappings, 8 * tensors * 2);
    cache.Check();
  }
}

// A folder that stands for "/".
class FakeRoot {
 public:
  FakeRoot() {
    char name[] = "/tmp/vattention-root-XXXXXX";
    CHECK(mkdtemp(name) != nullptr);
    path_ = name;
  }
  ~FakeRoot() { std::filesystem::remove_all(path_); }
  void Write(const std::string& file, const std::string& text) {
    const std::filesystem::path full = path_ + file;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }
  const char* path() const { return path_.c_str(); }

 private:
  std::string path_;
};

constexpr const char* kMemInfo = "MemTotal:  1048576 kB\nMemFree: 1 kB\nMemAvailable:  524288 kB\n";

TEST(LimitsOfControlGroupsVersion2) {
  FakeRoot root;
  root.Write("/proc/meminfo", kMemInfo);
  root.Write("/proc/self/cgroup", "0::/outer/inner\n");
  root.Write("/proc/self/mountinfo",
             "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n");
  MemoryLimits none(root.path());
  CHECK_EQ(none.total_bytes(), 1024 * kMiB);
  CHECK_EQ(none.AvailableBytes(), 512 * kMiB);
  root.Write("/sys/fs/cgroup/outer/memory.max", "104857600\n");
  root.Write("/sys/fs/cgroup/outer/memory.current", "52428800\n");
  root.Write("/sys/fs/cgroup/outer/memory.stat", "anon 1\ninactive_file 10485760\n");
  root.Write("/sys/fs/cgroup/outer/inner/memory.max", "max\n");
  root.Write("/sys/fs/cgroup/outer/inner/memory.current", "1000\n");
  MemoryLimits limits(root.path());
  CHECK_EQ(limits.total_bytes(), 100 * kMiB);  // an ancestor's limit binds
  CHECK_EQ(limits.AvailableBytes(), 60 * kMiB);
  root.Write("/sys/fs/cgroup/outer/inner/memory.max", "1048576\n");
  CHECK_EQ(MemoryLimits(root.path()).total_bytes(), kMiB);
}

TEST(LimitsOfControlGroupsVersion1) {
  FakeRoot root;
  root.Write("/proc/meminfo", kMemInfo);
  root.Write("/proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/docker/abc/job\n0::/\n");
  root.Write("/proc/self/mountinfo",
             "35 31 0:32 /docker/abc /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup "
             "rw,memory\n38 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  root.Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  root.Write("/sys/fs/cgroup/memory/memory.usage_in_bytes", "999999999\n");
  root.Write("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "209715200\n");
  root.Write("/sys/fs/cgroup/memory/job/memory.usage_in_bytes", "20971520\n");
  root.Write("/sys/fs/cgroup/memory/job/memory.stat", "total_inactive_file 1048576\n");
  MemoryLimits limits(root.path());
  CHECK_EQ(limits.total_bytes(), 200 * kMiB);
  CHECK_EQ(limits.AvailableBytes(), 181 * kMiB);
}

TEST(ACacheRespectsItsControlGroup) {
  FakeRoot root;
  root.Write("/proc/meminfo", kMemInfo);
  root.Write("/proc/self/cgroup", "0::/job\n");
  root.Write("/proc/self/mountinfo", "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  root.Write("/sys/fs/cgroup/job/memory.max", std::to_string(4 * kPage) + "\n");
  root.Write("/sys/fs/cgroup/job/memory.current", std::to_string(2 * kPage) + "\n");
  vattn_contiguous_options options = MakeOptions();
  options.cgroup_root = root.path();
  Cache cache(options);
  CHECK_EQ(cache.Stats().limit_bytes, 4 * kPage);
  const vattn_sequence a = cache.Allocate();
  vattn_step_result result = cache.Step({a}, {5 * kPageTokens});
  CHECK_EQ(result.outcome, static_cast<int32_t>(VATTN_STEP_OUT_OF_MEMORY));
  CHECK_EQ(result.limit, static_cast<int32_t>(VATTN_LIMIT_BYTES));
  // Others in the group use half of it: what the limit allows is not there.
  result = cache.Step({a}, {3 * kPageTokens});
  CHECK_EQ(result.outcome, static_cast<int32_t>(VATTN_STEP_OUT_OF_MEMORY));
  CHECK_EQ(result.limit, static_cast<int32_t>(VATTN_LIMIT_BYTES));
  CHECK_EQ(cache.Stats().total_bytes, 0u);
  cache.Grow(a, 2 * kPageTokens);
  cache.Check();
}

}  // namespace
}  // namespace vattention::testing

TEST_MAIN()
