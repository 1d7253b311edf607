// A row's bits depend on its query, what it sees and the positions; on nothing else. Whatever the
// instruction set is.
#include <algorithm>

#include "tests/attention_cpu_fixture.h"
#include "tests/attention_cpu_targets.h"

namespace vattention::testing {
namespace {

// Group sizes and dims that take every path: direct, staged, packed; padded dims.
std::vector<Setup> Setups() {
  std::vector<Setup> setups;
  for (const auto& [query, kv, dim] :
       {std::tuple{4, 4, 64}, {9, 3, 64}, {16, 2, 128}, {4, 2, 80}}) {
    for (const int32_t dtype : {VATTN_BFLOAT16, VATTN_FLOAT16, VATTN_FLOAT32}) {
      Setup setup;
      setup.query_heads = query;
      setup.kv_heads = kv;
      setup.head_dim = setup.value_head_dim = dim;
      setup.cache_dtype = dtype;
      setup.dtype = VATTN_FLOAT32;
      setup.layers = 1;
      setups.push_back(setup);
    }
  }
  // As models have it: the query in bfloat16 too.
  setups.push_back(setups[3]);
  setups.back().dtype = VATTN_BFLOAT16;
  setups.back().window = 200;
  setups[0].window = 100;
  setups[4].window = 300;
  setups[4].soft_cap = 20;
  setups[8].alibi.assign(16, 0.1f);
  setups[9].sinks.assign(4, 0.5f);
#if defined(__SANITIZE_ADDRESS__)
  // Every path once: instrumented code is ten times slower.
  return {setups[0], setups[3], setups[4], setups[9], setups[12]};
#else
  return setups;
#endif
}

std::vector<uint32_t> Chunks() {
#if defined(__SANITIZE_ADDRESS__)
  return {1, 7, 256};
#else
  return {1, 2, 3, 7, 40, 100, 256};
#endif
}

struct Whole {
  Content content;
  Result result;  // of all its tokens, prefilled at once
};

Whole Prefill(const Setup& setup, int32_t length, uint64_t seed) {
  Whole whole{MakeContent(setup, length, seed), {}};
  TestCache cache(setup, 1, length);
  const PlanPtr plan = MakePlan(setup, cache, 1, length, length);
  const auto all = static_cast<uint32_t>(length);
  whole.result = RunPass(plan.get(), setup, cache, {{&whole.content, 0, all, all}});
  return whole;
}

// Whether `result` from row `row` on has the bits of the tokens [from, from + count) of `whole`.
bool Same(const Setup& setup, const Result& result, size_t row, const Whole& whole, size_t from,
          size_t count) {
  return result.SameBits(whole.result, row, from, count,
                         static_cast<size_t>(setup.query_heads * setup.value_head_dim),
                         static_cast<size_t>(setup.query_heads));
}

TEST(ChunksOfAnySizeGiveTheSameBits) {
  ForEachTarget([] {
    constexpr int32_t kLength = 530;
    for (const Setup& setup : Setups()) {
      const Whole whole = Prefill(setup, kLength, 3);
      for (const uint32_t chunk : Chunks()) {
        TestCache cache(setup, 1, kLength);
        const PlanPtr plan = MakePlan(setup, cache, 1, kLength, kLength);
        // Single tokens only around the edges of splits: all of them would take long.
        uint32_t at = 0;
        while (at < kLength) {
          const bool edge = at % 256 < 3 || at % 256 > 253;
          uint32_t step = chunk < 7 && !edge ? 254 - at % 256 : chunk;
          step = std::max(1u, std::min(step, kLength - at));
          at += step;
          const Result part = RunPass(plan.get(), setup, cache, {{&whole.content, 0, step, at}});
          CHECK(Same(setup, part, 0, whole, at - step, step));
        }
      }
    }
  });
}

TEST(BatchMatesAndTheirOrderDoNotMatter) {
  ForEachTarget([] {
    constexpr int32_t kSequences = 6;
    for (const Setup& setup : Setups()) {
      std::vector<Whole> wholes;
      for (int32_t i = 0; i < kSequences; ++i)
        wholes.push_back(Prefill(setup, 20 + 97 * i, 10u + i));
      for (const bool reversed : {false, true}) {
        TestCache cache(setup, kSequences, 600);
        std::vector<Part> parts;
        for (int32_t i = 0; i < kSequences; ++i) {
          const int32_t which = reversed ? kSequences - 1 - i : i;
          const Content& content = wholes[static_cast<size_t>(which)].content;
          const auto kv = static_cast<uint32_t>(content.kv_length);
          const uint32_t query = which % 3 == 0 ? 1 : which % 3 == 1 ? 19 : 5;
          cache.Write(content, which, 0, static_cast<int32_t>(kv - query));
          parts.push_back({&content, which, query, kv});
        }
        const PlanPtr plan = MakePlan(setup, cache, kSequences, 100, 600);
        const Result result = RunPass(plan.get(), setup, cache, parts);
        size_t row = 0;
        for (const Part& part : parts) {
          CHECK(Same(setup, result, row, wholes[static_cast<size_t>(part.slot)],
                     part.kv - part.query, part.query));
          row += part.query;
        }
      }
    }
  });
}

TEST(LayoutsAndBlocksDoNotMatter) {
  ForEachTarget([] {
    constexpr int32_t kLength = 300;
    for (Setup setup : Setups()) {
      const Whole whole = Prefill(setup, kLength, 5);
      std::vector<CacheLayout> layouts = {{.interleaved = true}};
      for (const int32_t pool : {VATTN_POOL_NHD, VATTN_POOL_PAGED_ATTENTION}) {
        for (const int32_t block : {1, 8, 16, 32, 64, 128, 256}) {
          layouts.push_back({.kind = VATTN_PAGED, .block_tokens = block, .pool_layout = pool});
        }
      }
      for (const CacheLayout& layout : layouts) {
        setup.layout = layout;
        TestCache cache(setup, 2, kLength);
        const PlanPtr plan = MakePlan(setup, cache, 1, kLength, kLength);
        const Result prompt = RunPass(plan.get(), setup, cache, {{&whole.content, 1, 290, 290}});
        CHECK(Same(setup, prompt, 0, whole, 0, 290));
        for (uint32_t at = 291; at <= kLength; at += 3) {
          const Result token = RunPass(plan.get(), setup, cache, {{&whole.content, 1, 3, at + 2}});
          CHECK(Same(setup, token, 0, whole, at - 1, 3));
          if (at + 5 > kLength) break;
        }
      }
    }
  });
}

TEST(ThreadsDoNotMatter) {
  ForEachTarget([] {
    constexpr int32_t kLength = 1300;  // six splits
    for (Setup setup : Setups()) {
      const Whole whole = Prefill(setup, kLength, 8);
      for (const int32_t threads : {1, 3, 8}) {
        setup.threads = threads;
        TestCache cache(setup, 1, kLength);
        cache.Write(whole.content, 0, 0, kLength - 1);
        const PlanPtr plan = MakePlan(setup, cache, 1, 40, kLength);
        CHECK(Same(setup, RunPass(plan.get(), setup, cache, {{&whole.content, 0, 1, kLength}}), 0,
                   whole, kLength - 1, 1));
        CHECK(Same(setup, RunPass(plan.get(), setup, cache, {{&whole.content, 0, 40, kLength}}), 0,
                   whole, kLength - 40, 40));
      }
    }
  });
}

TEST(TwiceGivesTheSameBits) {
  ForEachTarget([] {
    const Setup setup = Setups()[3];
    const Whole first = Prefill(setup, 700, 1);
    const Whole second = Prefill(setup, 700, 1);
    CHECK(Same(setup, first.result, 0, second, 0, 700));
  });
}

}  // namespace
}  // namespace vattention::testing

TEST_MAIN()
