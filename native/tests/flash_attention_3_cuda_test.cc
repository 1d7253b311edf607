// FlashAttention-3 through its C table, without JavaScript: which kernels it chooses, on any
// machine, and on a Hopper GPU what all backends must do (attention_cuda_cases.cc).
#include <algorithm>
#include <string>
#include <vector>

#include "attention/built.h"
#include "attention/cuda/row_group.h"
#include "attention/flash_attention_3/flash_attention_3_backend.h"
#include "attention/flash_attention_3/kernel_choice.h"
#include "tests/attention_cuda_built.h"
#include "tests/attention_cuda_fixture.h"

namespace vattention::testing {

const TestedBackend& Tested() {
  static const TestedBackend tested = [] {
    TestedBackend backend{};
    backend.table = vattn_flash_attention_3_backend();
    const auto contiguous = [&](int32_t layout, int32_t tail_rows) {
      backend.forms.push_back({VATTN_CONTIGUOUS, layout, tail_rows, 0, VATTN_POOL_NHD});
    };
    contiguous(VATTN_LAYOUT_INTERLEAVED, 0);
    contiguous(VATTN_LAYOUT_INTERLEAVED, 192);
    contiguous(VATTN_LAYOUT_SPLIT, 0);
    for (const int32_t block_tokens : {16, 1, 64, 128, 256}) {
      backend.forms.push_back({VATTN_PAGED, 0, 0, block_tokens, VATTN_POOL_NHD});
    }
    backend.head_dims = BuiltHeadDims();
    backend.dtypes = BuiltDtypes();
    backend.window = true;
    backend.soft_cap = VATTN_CUDA_SOFT_CAP != 0;
    backend.alibi = false;
    backend.non_causal = true;
    backend.batch_invariant = true;
    return backend;
  }();
  return tested;
}

namespace {

using attention::Problem;
using attention::cuda::DecodeRows;
using attention::cuda::Pass;
using attention::cuda::PrefillRuns;
using attention::cuda::RowGroup;
using flash_attention_3::ChooseKernel;
using flash_attention_3::Circumstances;
using flash_attention_3::KernelChoice;
using flash_attention_3::Keys;
using flash_attention_3::Mask;

// Llama-3-8B's heads.
Problem MakeProblem() {
  Problem problem{};
  problem.shape.kv_heads = 8;
  problem.shape.head_dim = problem.shape.value_head_dim = 128;
  problem.shape.dtype = problem.dtype = VATTN_BFLOAT16;
  problem.query_heads = 32;
  problem.group = 4;
  problem.causal = true;
  problem.max_sequences = 64;
  problem.max_tokens = 8192;
  problem.max_length = 1 << 20;
  return problem;
}

Circumstances OnH200() {
  return {.multiprocessors = 132,
          .partial_rows = 8192,
          .tail_rows = 0,
          .finite_tail = true,
          .fixed = false};
}

struct Lengths {
  int32_t query;
  int32_t kv;
  int32_t further = 0;  // backed behind the end
};

Pass MakePass(const std::vector<Lengths>& lengths) {
  Pass pass{};
  for (const Lengths& each : lengths) {
    pass.sequences.push_back({each.query, each.kv, 0, pass.rows, each.kv + each.further});
    pass.rows += each.query;
  }
  return pass;
}

KernelChoice Prefill(const Problem& problem, const Circumstances& circumstances,
                     const std::vector<Lengths>& lengths) {
  const Pass pass = MakePass(lengths);
  const std::vector<RowGroup> runs = PrefillRuns(pass);
  CHECK_EQ(runs.size(), 1u);
  return ChooseKernel(problem, pass, runs.front(), circumstances);
}

KernelChoice Decode(const Problem& problem, const Circumstances& circumstances,
                    const std::vector<Lengths>& lengths) {
  const Pass pass = MakePass(lengths);
  return ChooseKernel(problem, pass, DecodeRows(pass), circumstances);
}

TEST(DecodingReadsNothingPastTheEnd) {
  for (const int32_t tail : {0, 1000}) {
    Circumstances circumstances = OnH200();
    circumstances.tail_rows = tail;
    const KernelChoice kernel = Decode(MakeProblem(), circumstances, {{1, 300}, {1, 700}});
    CHECK(kernel.keys == Keys::kTable);
    CHECK(kernel.mask == Mask::kNone);
    CHECK(kernel.packed);
  }
}

TEST(OnePromptIsReadByTmaWithoutATail) {
  const KernelChoice kernel = Prefill(MakeProblem(), OnH200(), {{1000, 1037, 500}});
  CHECK(kernel.keys == Keys::kOneSlot);
  CHECK(kernel.mask == Mask::kCausal);
}

TEST(SeveralPromptsAreReadByTmaWhereTilesEndInReadableRows) {
  const Problem problem = MakeProblem();
  Circumstances circumstances = OnH200();
  const std::vector<Lengths> uneven = {{200, 300}, {500, 1000}};
  CHECK(Prefill(problem, circumstances, uneven).keys == Keys::kTable);
  // 300 ends 84 rows before its tile does; 1000 is the longest, where TMA stops.
  circumstances.tail_rows = 83;
  CHECK(Prefill(problem, circumstances, uneven).keys == Keys::kTable);
  circumstances.tail_rows = 84;
  CHECK(Prefill(problem, circumstances, uneven).keys == Keys::kSlots);
  // What is backed behind the end may be anything.
  CHECK(Prefill(problem, circumstances, {{200, 300, 1}, {500, 1000}}).keys == Keys::kTable);
  CHECK(Prefill(problem, circumstances, {{200, 300}, {500, 1000, 1}}).keys == Keys::kSlots);
  circumstances.tail_rows = 0;
  CHECK(Prefill(problem, circumstances, {{200, 256, 9}, {500, 1000, 9}}).keys == Keys::kSlots);
  CHECK(Prefill(problem, circumstances, {{200, 990}, {500, 990}}).keys == Keys::kSlots);
}

TEST(BlocksAreReadByTmaWhereATileFitsThem) {
  Problem problem = MakeProblem();
  problem.cache_kind = VATTN_PAGED;
  Circumstances circumstances = OnH200();
  const std::vector<Lengths> lengths = {{200, 300}};
  for (const int32_t block_tokens : {1, 16, 64, 128, 256}) {
    problem.block_tokens = block_tokens;
    const Keys keys = Prefill(problem, circumstances, lengths).keys;
    CHECK(keys == (block_tokens % 128 == 0 ? Keys::kTableByTma : Keys::kTable));
    CHECK(Prefill(problem, circumstances, {{10, 300}}).keys == Keys::kTable);
    CHECK(Decode(problem, circumstances, {{1, 300}}).keys == Keys::kTable);
  }
  CHECK(Prefill(problem, circumstances, {{200, 300, 4}}).keys == Keys::kTable);
  circumstances.finite_tail = false;
  CHECK(Prefill(problem, circumstances, lengths).keys == Keys::kTable);
  CHECK(Prefill(problem, circumstances, {{200, 384}}).keys == Keys::kTableByTma);
  // The tile without a mask, 176 keys, fits no block.
  problem.causal = false;
  CHECK(Prefill(problem, circumstances, {{200, 384}}).keys == Keys::kTable);
}

TEST(KeysAreSplitWhereFewRowsLeaveTheDeviceIdle) {
  const Problem problem = MakeProblem();
  Circumstances circumstances = OnH200();
  const int32_t one = Decode(problem, circumstances, {{1, 32768}}).splits;
  CHECK_GE(one * problem.shape.kv_heads, 100);
  CHECK_LE(one * problem.shape.kv_heads, 160);
  CHECK_EQ(Decode(problem, circumstances, {{1, 400}}).splits, 1);
  // Sixteen sequences of one length keep it busy, and one among short ones does not.
  CHECK_EQ(Decode(problem, circumstances, std::vector<Lengths>(16, {1, 16384})).splits, 1);
  std::vector<Lengths> skewed(16, {1, 100});
  skewed[7] = {1, 32768};
  CHECK_GE(Decode(problem, circumstances, skewed).splits, one / 2);
  // A bound that buffers set.
  circumstances.partial_rows = 3;
  CHECK_EQ(Decode(problem, circumstances, {{1, 32768}}).splits, 3);
  circumstances.partial_rows = 0;
  CHECK_EQ(Decode(problem, circumstances, {{1, 32768}}).splits, 1);
  // Chunks over a long context, too; long prompts not.
  circumstances.partial_rows = 8192;
  CHECK_GT(Prefill(problem, circumstances, {{20, 32768}}).splits, 1);
  CHECK_EQ(Prefill(problem, circumstances, {{8192, 8192}}).splits, 1);
}

TEST(GraphsDoNotLookAtLengths) {
  const Problem problem = MakeProblem();
  Circumstances circumstances = OnH200();
  circumstances.fixed = true;
  const auto choose = [&](int32_t kv) {
    const Pass pass = MakePass(std::vector<Lengths>(4, {1, kv}));
    RowGroup group = DecodeRows(pass);
    group.max_kv = 16384;
    return ChooseKernel(problem, pass, group, circumstances);
  };
  const KernelChoice shortest = choose(1);
  const KernelChoice longest = choose(16384);
  CHECK_GT(shortest.splits, 1);
  CHECK_EQ(shortest.splits, longest.splits);
  CHECK_EQ(shortest.window_left, longest.window_left);
}

TEST(BatchInvariantRowsHaveOneKernel) {
  Problem problem = MakeProblem();
  problem.batch_invariant = true;
  problem.window = 500;
  Circumstances circumstances = OnH200();
  circumstances.tail_rows = 1000;
  for (const std::vector<Lengths>& lengths :
       {std::vector<Lengths>{{200, 300}}, {{200, 300}, {500, 1000}}, {{2, 100000}}}) {
    const KernelChoice kernel = Prefill(problem, circumstances, lengths);
    CHECK(kernel.keys == Keys::kTable);
    CHECK(kernel.mask == Mask::kWindow);
    CHECK_EQ(kernel.splits, 1);
  }
  CHECK_EQ(Decode(problem, circumstances, {{1, 100000}}).splits, 1);
}

TEST(WindowsCountTheRowItself) {
  Problem problem = MakeProblem();
  problem.window = 100;
  KernelChoice kernel = Prefill(problem, OnH200(), {{200, 300}});
  CHECK(kernel.mask == Mask::kWindow);
  CHECK_EQ(kernel.window_left, 99);
  CHECK_EQ(kernel.window_right, 0);
  problem.window = 300;
  CHECK(Prefill(problem, OnH200(), {{200, 300}}).mask == Mask::kCausal);
  problem.window = 299;
  CHECK(Prefill(problem, OnH200(), {{200, 300}}).mask == Mask::kWindow);
  CHECK(Decode(problem, OnH200(), {{1, 300}}).mask == Mask::kWindow);
  problem.causal = false;
  kernel = Prefill(problem, OnH200(), {{200, 300}});
  CHECK(kernel.mask == Mask::kWindow);
  CHECK_EQ(kernel.window_right, 199);
}

TEST(LongPromptsAreApart) {
  const Problem problem = MakeProblem();
  CHECK(flash_attention_3::FillsDevice(problem, 8192, 132));
  CHECK(!flash_attention_3::FillsDevice(problem, 512, 132));
  const Pass pass = MakePass({{300, 300}, {8192, 8192}, {20, 20}, {30, 30}, {1, 9}, {40, 40}});
  const std::vector<RowGroup> runs = PrefillRuns(pass, [&](const auto& sequence) {
    return flash_attention_3::FillsDevice(problem, sequence.query, 132);
  });
  std::vector<std::vector<int32_t>> members;
  for (const RowGroup& run : runs) {
    members.push_back(run.members);
    CHECK(run.in_place);
  }
  CHECK(members == (std::vector<std::vector<int32_t>>{{0}, {1}, {2, 3}, {5}}));
  CHECK_EQ(runs[1].first_row, 300);
}

TEST(WhatWasBuilt) {
  const std::string built = vattn_flash_attention_3_built();
  CHECK(built.find("\"archs\":[\"90a\"]") != std::string::npos);
  CHECK(built.find("\"headDims\":[" VATTN_CUDA_HEAD_DIM_LIST "]") != std::string::npos);
  CHECK_EQ(std::string(vattn_flash_attention_3_backend()->name), "flash-attention-3");
}

}  // namespace
}  // namespace vattention::testing

int main(int argc, char** argv) { return vattention::testing::RunGpuTests(argc, argv); }
