#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "ops/cpu/counter_random.h"
#include "ops/cpu/sampler.h"
#include "tests/check.h"
#include "tests/ops_fixture.h"

namespace vattention::ops {
namespace {

using testing::RandomFloats;

SampledToken Take(const std::vector<float>& logits, const RowSampling& sampling) {
  SamplerScratch scratch;
  return Sample(logits.data(), static_cast<int64_t>(logits.size()), sampling, &scratch);
}

// How often each token comes out of `draws` steps.
std::map<int32_t, int> Count(const std::vector<float>& logits, RowSampling sampling, int draws) {
  SamplerScratch scratch;
  std::map<int32_t, int> counts;
  for (int step = 0; step < draws; ++step) {
    sampling.step = static_cast<uint64_t>(step);
    ++counts[Sample(logits.data(), static_cast<int64_t>(logits.size()), sampling, &scratch).token];
  }
  return counts;
}

std::vector<double> Softmax(const std::vector<float>& logits, double temperature = 1) {
  std::vector<double> p;
  double sum = 0;
  for (const float logit : logits) sum += p.emplace_back(std::exp(logit / temperature));
  for (double& x : p) x /= sum;
  return p;
}

TEST(PhiloxGivesThePublishedNumbers) {
  // Known answers of Random123: counter and key all zeros.
  const auto zeros = Philox(0, 0);
  CHECK_EQ(zeros[0], 0x6627e8d5u);
  CHECK_EQ(zeros[1], 0xe169c58du);
  CHECK_EQ(zeros[2], 0xbc57ac4cu);
  CHECK_EQ(zeros[3], 0x9b00dbd8u);
  for (uint64_t i = 0; i < 1000; ++i) {
    const double u = UniformDouble(7, i);
    CHECK(u >= 0 && u < 1);
  }
}

TEST(GreedyTakesTheLargestLogitAndTheFirstOfEquals) {
  const SampledToken token = Take({1, 5, 3, 5, -2}, {});
  CHECK_EQ(token.token, 1);
  CHECK_EQ(token.margin, 0.0f);
  CHECK_NEAR(token.logprob, std::log(Softmax({1, 5, 3, 5, -2})[1]), 1e-6);
  CHECK_EQ(Take({1, 5, 3.5f, 2}, {}).margin, 1.5f);
  CHECK(token.top.empty());
}

TEST(TopLogprobsComeInOrderUnderTheUnmodifiedLogits) {
  const auto logits = RandomFloats(500, 1, 6.0f);
  RowSampling sampling;
  sampling.top_logprobs = 7;
  sampling.bias_tokens = {3};
  sampling.biases = {100.0f};
  const SampledToken token = Take(logits, sampling);
  CHECK_EQ(token.token, 3);
  const auto p = Softmax(logits);
  CHECK_NEAR(token.logprob, std::log(p[3]), 1e-4);
  std::vector<int32_t> order(500);
  for (int i = 0; i < 500; ++i) order[static_cast<size_t>(i)] = i;
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return p[static_cast<size_t>(a)] > p[static_cast<size_t>(b)];
  });
  CHECK_EQ(token.top.size(), 7u);
  for (size_t i = 0; i < 7; ++i) {
    CHECK_EQ(token.top[i].token, order[i]);
    CHECK_NEAR(token.top[i].logprob, std::log(p[static_cast<size_t>(order[i])]), 1e-4);
  }
  sampling.top_logprobs = 1000;
  CHECK_EQ(Take(logits, sampling).top.size(), 500u);
}

TEST(BiasesMoveSingleTokensAndOthersAreIgnored) {
  RowSampling sampling;
  sampling.bias_tokens = {1, 0, 99, -1};
  sampling.biases = {-INFINITY, 0.5f, 1e9f, 1e9f};
  const SampledToken token = Take({2, 5, 2.25f}, sampling);
  CHECK_EQ(token.token, 0);
  CHECK_NEAR(token.margin, 0.25, 1e-6);
}

TEST(RepetitionPenaltyLooksAtPromptAndOutput) {
  RowSampling sampling;
  sampling.repetition_penalty = 2;
  sampling.history = {1, 1, 3};
  sampling.history_prompt = 2;
  // 4 / 2 once although token 1 came twice; -1 * 2.
  CHECK_EQ(Take({2.5f, 4, 0, -1}, sampling).token, 0);
  CHECK_NEAR(Take({1.5f, 4, -9, -1}, sampling).margin, 0.5, 1e-6);
  CHECK_NEAR(Take({-1.5f, -9, -9, -1}, sampling).margin, 0.5, 1e-6);  // -1.5 against -2
  sampling.history = {};
  CHECK_EQ(Take({2.5f, 4, 0, -1}, sampling).token, 1);
}

TEST(PresenceAndFrequencyPenaltiesLookAtTheOutputAlone) {
  RowSampling sampling;
  sampling.presence_penalty = 0.5f;
  sampling.frequency_penalty = 0.25f;
  sampling.history = {0, 0, 0, 1, 2, 1, 77, -5};
  sampling.history_prompt = 3;
  // Token 1: 3 - 0.5 - 2 * 0.25 = 2; token 2: 2.5 - 0.75 = 1.75; token 0 is of the prompt.
  const SampledToken token = Take({1, 3, 2.5f}, sampling);
  CHECK_EQ(token.token, 1);
  CHECK_NEAR(token.margin, 0.25, 1e-6);
}

TEST(DrawsFollowTheDistribution) {
  const std::vector<float> logits = {1, 2, 0, -1, 1.5f};
  for (const float temperature : {1.0f, 0.5f, 2.0f}) {
    RowSampling sampling;
    sampling.temperature = temperature;
    sampling.seed = 11;
    const int draws = 20000;
    const auto counts = Count(logits, sampling, draws);
    const auto p = Softmax(logits, temperature);
    for (int32_t token = 0; token < 5; ++token) {
      const double expected = p[static_cast<size_t>(token)] * draws;
      // Five standard deviations; the seed is fixed, so this never flickers.
      CHECK_NEAR(counts.count(token) ? counts.at(token) : 0, expected, 5 * std::sqrt(expected) + 1);
    }
  }
}

TEST(DrawsRepeatWithSeedAndStepAndNothingElse) {
  const auto logits = RandomFloats(1000, 4, 3.0f);
  RowSampling sampling;
  sampling.temperature = 1;
  sampling.seed = 5;
  sampling.step = 9;
  const int32_t token = Take(logits, sampling).token;
  for (int i = 0; i < 3; ++i) CHECK_EQ(Take(logits, sampling).token, token);
  std::set<int32_t> seeds;
  std::set<int32_t> steps;
  for (uint64_t i = 0; i < 40; ++i) {
    RowSampling other = sampling;
    other.seed = i;
    seeds.insert(Take(logits, other).token);
    other = sampling;
    other.step = i;
    steps.insert(Take(logits, other).token);
  }
  CHECK_GT(seeds.size(), 20u);
  CHECK_GT(steps.size(), 20u);
}

// The tokens that `sampling` can draw, and that no other ever comes.
std::set<int32_t> Reachable(const std::vector<float>& logits, const RowSampling& sampling) {
  std::set<int32_t> tokens;
  for (const auto& [token, count] : Count(logits, sampling, 3000)) tokens.insert(token);
  return tokens;
}

TEST(FiltersLeaveWhatTheySay) {
  // Probabilities 0.5, 0.25, 0.125, 0.0625, 0.0625.
  const std::vector<float> logits = {std::log(0.0625f), std::log(0.5f), std::log(0.125f),
                                     std::log(0.25f), std::log(0.0625f)};
  RowSampling sampling;
  sampling.temperature = 1;
  sampling.top_k = 2;
  CHECK(Reachable(logits, sampling) == (std::set<int32_t>{1, 3}));
  sampling.top_k = 4;  // of two equal tokens the lower id stays
  CHECK(Reachable(logits, sampling) == (std::set<int32_t>{0, 1, 2, 3}));
  sampling.top_k = 0;
  sampling.top_p = 0.6f;
  CHECK(Reachable(logits, sampling) == (std::set<int32_t>{1, 3}));
  sampling.top_p = 0.4f;
  CHECK(Reachable(logits, sampling) == (std::set<int32_t>{1}));
  sampling.top_p = 0.0f;
  CHECK(Reachable(logits, sampling) == (std::set<int32_t>{1}));
  sampling.top_p = 1.0f;
  sampling.min_p = 0.2f;
  CHECK(Reachable(logits, sampling) == (std::set<int32_t>{1, 2, 3}));
  sampling.min_p = 1.0f;
  CHECK(Reachable(logits, sampling) == (std::set<int32_t>{1}));
  // Top-p is over what top-k left: 0.5 / 0.75 is not yet 0.7.
  sampling.min_p = 0;
  sampling.top_k = 2;
  sampling.top_p = 0.7f;
  CHECK(Reachable(logits, sampling) == (std::set<int32_t>{1, 3}));
  sampling.top_p = 0.6f;
  CHECK(Reachable(logits, sampling) == (std::set<int32_t>{1}));
}

TEST(FilteredDrawsFollowTheRestOfTheDistribution) {
  const auto logits = RandomFloats(300, 8, 4.0f);
  const auto p = Softmax(logits);
  RowSampling sampling;
  sampling.temperature = 1;
  sampling.top_p = 0.8f;
  // The kept set by brute force.
  std::vector<int32_t> order(300);
  for (int i = 0; i < 300; ++i) order[static_cast<size_t>(i)] = i;
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return p[static_cast<size_t>(a)] > p[static_cast<size_t>(b)];
  });
  double kept = 0;
  std::map<int32_t, double> expected;
  for (const int32_t token : order) {
    if (kept >= 0.8) break;
    kept += p[static_cast<size_t>(token)];
    expected[token] = p[static_cast<size_t>(token)];
  }
  const int draws = 30000;
  for (const auto& [token, count] : Count(logits, sampling, draws)) {
    CHECK(expected.count(token) == 1);
    const double mean = expected[token] / kept * draws;
    CHECK_NEAR(count, mean, 5 * std::sqrt(mean) + 1);
  }
}

TEST(ExtremeTemperaturesStayFinite) {
  const auto logits = RandomFloats(100, 12, 5.0f);
  const int32_t best = Take(logits, {}).token;
  for (const float temperature : {1e-38f, 1e-30f, 1e-6f}) {
    RowSampling sampling;
    sampling.temperature = temperature;
    CHECK_EQ(Take(logits, sampling).token, best);
    sampling.top_p = 0.9f;
    CHECK_EQ(Take(logits, sampling).token, best);
  }
  RowSampling hot;
  hot.temperature = 1e30f;
  const int32_t token = Take(logits, hot).token;
  CHECK(token >= 0 && token < 100);
}

}  // namespace
}  // namespace vattention::ops

TEST_MAIN()
