// Every feature of attention on the CPU against a plain float64 loop, on every instruction set that
// this machine and the build have.
#include <algorithm>

#include "tests/attention_cpu_fixture.h"
#include "tests/attention_cpu_reference.h"
#include "tests/attention_cpu_targets.h"

namespace vattention::testing {
namespace {

struct Lengths {
  uint32_t query;
  uint32_t kv;
};

// Writes what came before, runs the pass with appending, compares.
void CheckBatch(const Setup& setup, const std::vector<Lengths>& lengths, uint64_t seed = 1,
                int64_t gap = 0) {
  uint32_t longest = 1;
  int32_t tokens = 1;
  for (const Lengths& of : lengths) {
    longest = std::max(longest, of.kv);
    tokens += static_cast<int32_t>(of.query);
  }
  const auto count = static_cast<int32_t>(lengths.size());
  TestCache cache(setup, count, static_cast<int32_t>(longest) + 5);
  std::vector<Content> contents;
  for (const Lengths& of : lengths) {
    contents.push_back(
        MakeContent(setup, static_cast<int32_t>(std::max({of.kv, of.query, 1u})), seed++));
  }
  std::vector<Part> parts;
  for (int32_t i = 0; i < count; ++i) {
    const auto [query, kv] = lengths[static_cast<size_t>(i)];
    const int32_t slot = count - 1 - i;
    const Content& content = contents[static_cast<size_t>(i)];
    if (kv > query) cache.Write(content, slot, 0, static_cast<int32_t>(kv - query));
    parts.push_back({&content, slot, query, kv});
  }
  const Result reference = Reference(setup, parts);
  ForEachTarget([&] {
    const PlanPtr plan = MakePlan(setup, cache, count, tokens, longest + 5);
    CheckClose(setup, RunPass(plan.get(), setup, cache, parts, 1, gap), reference);
  });
}

const std::vector<Lengths> kMixed = {{1, 1},   {1, 255}, {3, 256},  {1, 257}, {17, 17},
                                     {33, 70}, {0, 40},  {40, 300}, {1, 530}, {5, 0}};

TEST(MixedBatchesOfEveryDtype) {
  for (const int32_t dtype : {VATTN_FLOAT32, VATTN_FLOAT16, VATTN_BFLOAT16}) {
    for (const int32_t cache_dtype : {VATTN_FLOAT32, VATTN_FLOAT16, VATTN_BFLOAT16}) {
      Setup setup;
      setup.dtype = dtype;
      setup.cache_dtype = cache_dtype;
      CheckBatch(setup, kMixed);
    }
  }
}

TEST(HeadDims) {
  for (const int32_t dim : {8, 64, 72, 80, 96, 128, 256}) {
    for (const int32_t cache_dtype : {VATTN_BFLOAT16, VATTN_FLOAT32}) {
      Setup setup;
      setup.head_dim = dim;
      setup.value_head_dim = dim;
      setup.cache_dtype = cache_dtype;
      CheckBatch(setup, {{1, 90}, {2, 300}, {40, 65}});
    }
  }
}

TEST(ValuesOfAnotherDim) {
  for (const auto& [key, value] : {std::pair{192, 128}, {64, 256}, {80, 40}}) {
    Setup setup;
    setup.head_dim = key;
    setup.value_head_dim = value;
    setup.cache_dtype = VATTN_BFLOAT16;
    CheckBatch(setup, {{1, 90}, {40, 65}});
  }
}

TEST(GroupsOfQueryHeads) {
  for (const auto& [query, kv] :
       {std::pair{4, 4}, {8, 2}, {9, 3}, {6, 1}, {5, 1}, {7, 1}, {32, 8}, {71, 1}, {128, 1}}) {
    Setup setup;
    setup.query_heads = query;
    setup.kv_heads = kv;
    setup.cache_dtype = VATTN_BFLOAT16;
    CheckBatch(setup, {{1, 300}, {2, 20}, {9, 33}});
  }
}

TEST(NotCausal) {
  Setup setup;
  setup.causal = false;
  CheckBatch(setup, kMixed);
}

TEST(Windows) {
  for (const int32_t window : {1, 2, 15, 64, 128, 256, 257, 1000}) {
    for (const bool causal : {true, false}) {
      Setup setup;
      setup.window = window;
      setup.causal = causal;
      CheckBatch(setup, kMixed);
    }
  }
}

TEST(SoftCap) {
  for (const float cap : {1.0f, 15.0f, 50.0f}) {
    Setup setup;
    setup.soft_cap = cap;
    setup.scale = 1;
    CheckBatch(setup, kMixed);
  }
}

TEST(Alibi) {
  Setup setup;
  setup.alibi = {0.5f, 0.25f, 0.0f, 0.0625f};
  CheckBatch(setup, kMixed);
  setup.soft_cap = 30;
  setup.window = 100;
  CheckBatch(setup, kMixed);
}

TEST(Sinks) {
  Setup setup;
  setup.sinks = {5.0f, -3.0f, 0.0f, 100.0f};
  CheckBatch(setup, kMixed);
  setup.window = 9;
  CheckBatch(setup, kMixed);
}

TEST(PagedPools) {
  for (const int32_t pool : {VATTN_POOL_NHD, VATTN_POOL_PAGED_ATTENTION}) {
    for (const int32_t block : {1, 8, 16, 32, 64, 128, 256}) {
      for (const int32_t cache_dtype : {VATTN_FLOAT32, VATTN_FLOAT16, VATTN_BFLOAT16}) {
        Setup setup;
        setup.layout.kind = VATTN_PAGED;
        setup.layout.pool_layout = pool;
        setup.layout.block_tokens = block;
        setup.cache_dtype = cache_dtype;
        setup.head_dim = 80;
        CheckBatch(setup, {{1, 300}, {20, 270}, {1, 16}, {3, 17}});
      }
    }
  }
}

TEST(StridedTensors) {
  Setup setup;
  setup.dtype = VATTN_BFLOAT16;
  setup.cache_dtype = VATTN_FLOAT16;
  CheckBatch(setup, kMixed, 1, 5);
}

TEST(LongSequencesOverThreads) {
  for (const int32_t threads : {1, 2, 5}) {
    Setup setup;
    setup.threads = threads;
    setup.cache_dtype = VATTN_BFLOAT16;
    CheckBatch(setup, {{1, 5000}, {1, 100}, {12, 3000}});
  }
}

TEST(ManySequences) {
  Setup setup;
  std::vector<Lengths> lengths;
  for (uint32_t i = 0; i < 200; ++i) lengths.push_back({i % 19 == 0 ? 7u : 1u, 7 + i * 13 % 97});
  CheckBatch(setup, lengths);
}

TEST(LogitsOfEveryMagnitude) {
  // q . k of -4096 .. 4096 before the scale: only exact handling of the maximum survives it.
  Setup setup;
  setup.head_dim = setup.value_head_dim = 64;
  const Content base = MakeContent(setup, 300, 5);
  Content content = base;
  for (float& q : content.query) q = 64;
  for (size_t i = 0; i < content.key.size(); ++i) {
    content.key[i] = i / 64 % 5 == 0 ? -64.0f : 64.0f * static_cast<float>(i / 64 % 3);
  }
  TestCache cache(setup, 1, 300);
  cache.Write(content, 0, 0, 260);
  const std::vector<Part> parts = {{&content, 0, 40, 300}};
  const PlanPtr plan = MakePlan(setup, cache, 1, 40, 300);
  CheckClose(setup, RunPass(plan.get(), setup, cache, parts), Reference(setup, parts));
}

}  // namespace
}  // namespace vattention::testing

TEST_MAIN()
