// FlashAttention-2 through its C table, without JavaScript: how it splits, on any machine, and on a
// GPU what all backends must do (attention_cuda_cases.cc).
#include <string>

#include "attention/built.h"
#include "attention/flash_attention_2/flash_attention_2_backend.h"
#include "attention/flash_attention_2/splits.h"
#include "tests/attention_cuda_built.h"
#include "tests/attention_cuda_fixture.h"

namespace vattention::testing {

const TestedBackend& Tested() {
  static const TestedBackend tested = [] {
    TestedBackend backend{};
    backend.table = vattn_flash_attention_2_backend();
    for (const int32_t layout : {VATTN_LAYOUT_INTERLEAVED, VATTN_LAYOUT_SPLIT}) {
      backend.forms.push_back({VATTN_CONTIGUOUS, layout, 0, 0, VATTN_POOL_NHD});
    }
    backend.forms.push_back({VATTN_PAGED, 0, 0, 256, VATTN_POOL_NHD});
    backend.head_dims = BuiltHeadDims();
    backend.dtypes = BuiltDtypes();
    backend.window = true;
    backend.soft_cap = VATTN_CUDA_SOFT_CAP != 0;
    backend.alibi = true;
    backend.non_causal = true;
    backend.batch_invariant = true;
    return backend;
  }();
  return tested;
}

namespace {

using flash_attention_2::ChooseSplits;

// Of an H200: two thread blocks on each of 132 multiprocessors.
constexpr int32_t kSlots = 264;
constexpr int32_t kMost = flash_attention_2::kMaxSplits;

TEST(KeysAreSplitWhereFewRowsLeaveTheDeviceIdle) {
  // Eight KV heads of one sequence: 33 splits fill one wave.
  const int32_t one = ChooseSplits(8, kSlots, 256, kMost);
  CHECK_GE(8 * one, kSlots * 8 / 10);
  CHECK_LE(8 * one, kSlots);
  // 80 % of a wave is enough.
  CHECK_EQ(ChooseSplits(212, kSlots, 256, kMost), 1);
  CHECK_GT(ChooseSplits(128, kSlots, 256, kMost), 1);
}

TEST(NoMoreSplitsThanTilesOrRoom) {
  CHECK_EQ(ChooseSplits(8, kSlots, 1, kMost), 1);
  CHECK_LE(ChooseSplits(8, kSlots, 3, kMost), 3);
  CHECK_LE(ChooseSplits(8, kSlots, 256, 5), 5);
  CHECK_LE(ChooseSplits(1, 10'000, 10'000, 1000), kMost);
}

TEST(SplitsThatChangeNothingAreNotTaken) {
  // Of 5 tiles, 4 splits are 2 tiles each, as 3 are.
  for (int64_t blocks = 1; blocks < 200; ++blocks) {
    CHECK(ChooseSplits(blocks, kSlots, 5, kMost) != 4);
  }
}

TEST(WhatWasBuilt) {
  const std::string built = vattn_flash_attention_2_built();
  CHECK(built.find("\"headDims\":[" VATTN_CUDA_HEAD_DIM_LIST "]") != std::string::npos);
  CHECK_EQ(std::string(vattn_flash_attention_2_backend()->name), "flash-attention-2");
}

}  // namespace
}  // namespace vattention::testing

int main(int argc, char** argv) { return vattention::testing::RunGpuTests(argc, argv); }
