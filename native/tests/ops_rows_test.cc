#include <cmath>
#include <limits>
#include <vector>

#include "ops/cpu/rope.h"
#include "ops/cpu/rows.h"
#include "ops/cpu/team.h"
#include "tests/check.h"
#include "tests/ops_fixture.h"

namespace vattention::ops {
namespace {

using testing::ForEachTarget;
using testing::RandomFloats;

// Lengths around every vector's.
constexpr int64_t kLengths[] = {1, 3, 4, 7, 8, 15, 16, 17, 31, 33, 64, 576};
constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(NormsEqualFloat64) {
  ForEachTarget([](const char*) {
    for (const int64_t count : kLengths) {
      const auto row = RandomFloats(static_cast<size_t>(count), 1, 3.0f);
      const auto weight = RandomFloats(static_cast<size_t>(count), 2);
      double squares = 0;
      for (const float x : row) squares += static_cast<double>(x) * x;
      const double factor = 1 / std::sqrt(squares / static_cast<double>(count) + 1e-5);
      std::vector<float> plain(static_cast<size_t>(count) + 1, -7.0f);
      std::vector<uint16_t> halves(static_cast<size_t>(count) + 1, 7);
      RmsNorm(row.data(), weight.data(), count, 1e-5f, Precision::kFloat32, plain.data());
      RmsNorm(row.data(), weight.data(), count, 1e-5f, Precision::kBfloat16, halves.data());
      for (size_t i = 0; i < row.size(); ++i) {
        CHECK_NEAR(plain[i], row[i] * factor * weight[i], 2e-6);
        CHECK_EQ(halves[i], ToBfloat16(plain[i]));
      }
      CHECK_EQ(plain.back(), -7.0f);  // nothing beyond
      CHECK_EQ(halves.back(), 7);
      std::vector<float> in_place = row;
      RmsNormFloat32(in_place.data(), weight.data(), count, 1e-5f, in_place.data());
      plain.pop_back();
      CHECK(in_place == plain);
    }
  });
}

TEST(AddsAndGatesEqualFloat64) {
  ForEachTarget([](const char*) {
    for (const int64_t count : kLengths) {
      auto gate = RandomFloats(static_cast<size_t>(count), 3, 12.0f);
      const auto up = RandomFloats(static_cast<size_t>(count), 4);
      if (count > 16) {
        gate[0] = -200.0f;
        gate[1] = 200.0f;
        gate[2] = -87.9f;
      }
      std::vector<float> found(static_cast<size_t>(count));
      std::vector<uint16_t> halves(static_cast<size_t>(count));
      SiluMultiply(gate.data(), up.data(), count, Precision::kFloat32, found.data());
      SiluMultiply(gate.data(), up.data(), count, Precision::kBfloat16, halves.data());
      std::vector<float> sum = gate;
      Add(up.data(), count, sum.data());
      for (size_t i = 0; i < found.size(); ++i) {
        const double x = gate[i];
        CHECK_NEAR(found[i], x / (1 + std::exp(-x)) * up[i], 1e-6 * (1 + std::abs(x)));
        CHECK_EQ(halves[i], ToBfloat16(found[i]));
        CHECK_EQ(sum[i], gate[i] + up[i]);
      }
    }
  });
}

TEST(RoundingToBfloat16TakesTheNearestAndTiesToEven) {
  const std::vector<float> values = {
      0.0f,       -0.0f,     1.0f,        1.0f + 0x1p-8f, 1.0f + 0x3p-8f, 1.0f + 0x1.8p-8f,
      -1.003906f, kInfinity, -kInfinity,  3.4028235e38f,  1e-40f,         std::nanf(""),
      65504.0f,   0x1p-126f, 0x1.FFp127f, 123456.789f};
  ForEachTarget([&](const char*) {
    std::vector<uint16_t> found(values.size());
    RoundToBfloat16(values.data(), static_cast<int64_t>(values.size()), found.data());
    for (size_t i = 0; i < values.size(); ++i) CHECK_EQ(found[i], ToBfloat16(values[i]));
  });
  CHECK_EQ(ToBfloat16(1.0f + 0x1p-8f), 0x3F80);    // a tie goes to the even one below
  CHECK_EQ(ToBfloat16(1.0f + 0x3p-8f), 0x3F82);    // and above
  CHECK_EQ(ToBfloat16(1.0f + 0x1.8p-8f), 0x3F81);  // beyond the middle
  CHECK(std::isnan(FromBfloat16(ToBfloat16(std::nanf("")))));
}

TEST(RotationsEqualFloat64InBothStyles) {
  const std::vector<float> factors = {1, 2, 0.5f, 4, 1, 1, 8, 1, 1, 1, 3, 1, 1, 1, 1, 1,
                                      1, 1, 1,    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2};
  ForEachTarget([&](const char*) {
    for (const RopeStyle style : {RopeStyle::kInterleaved, RopeStyle::kHalf}) {
      for (const int64_t dims : {0, 2, 6, 20, 64}) {
        const bool scaled = dims == 64;
        const Rope rope(style, dims, 10000.0, scaled ? 2.0 : 1.0,
                        scaled ? factors : std::vector<float>{});
        CHECK_EQ(rope.pairs(), dims / 2);
        const auto before = RandomFloats(70, 5);
        for (const int64_t position : {0, 1, 1000, 100000}) {
          std::vector<float> head = before;
          std::vector<float> cosines(static_cast<size_t>(dims / 2));
          std::vector<float> sines(cosines.size());
          rope.Angles(position, cosines.data(), sines.data());
          rope.Rotate(cosines.data(), sines.data(), head.data());
          for (int64_t i = 0; i < dims / 2; ++i) {
            const double factor = scaled ? factors[static_cast<size_t>(i)] * 2.0 : 1.0;
            const double angle =
                static_cast<double>(position) / factor *
                std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(dims));
            const bool pairs = style == RopeStyle::kInterleaved;
            const auto a = static_cast<size_t>(pairs ? 2 * i : i);
            const auto b = static_cast<size_t>(pairs ? 2 * i + 1 : i + dims / 2);
            CHECK_NEAR(head[a], before[a] * std::cos(angle) - before[b] * std::sin(angle), 1e-6);
            CHECK_NEAR(head[b], before[a] * std::sin(angle) + before[b] * std::cos(angle), 1e-6);
          }
          for (size_t i = static_cast<size_t>(dims); i < head.size(); ++i) {
            CHECK_EQ(head[i], before[i]);
          }
        }
      }
    }
  });
}

TEST(ScansFindTheTwoLargestLogitsAndTheSum) {
  ForEachTarget([](const char*) {
    for (const int64_t count : kLengths) {
      for (uint64_t seed = 0; seed < 20; ++seed) {
        auto logits = RandomFloats(static_cast<size_t>(count), seed, 10.0f);
        if (seed % 3 == 0) {  // ties
          for (float& logit : logits) logit = std::round(logit / 5);
        }
        if (seed % 4 == 0) logits[0] = -kInfinity;
        size_t best = 0;
        for (size_t i = 1; i < logits.size(); ++i) {
          if (logits[i] > logits[best]) best = i;
        }
        float second = -kInfinity;
        double sum = 0;
        for (size_t i = 0; i < logits.size(); ++i) {
          if (i != best) second = std::max(second, logits[i]);
          sum += std::exp(static_cast<double>(logits[i]) - logits[best]);
        }
        if (std::isinf(logits[best])) continue;
        const LogitStats stats = ScanLogits(logits.data(), count);
        CHECK_EQ(stats.best, best);
        CHECK_EQ(stats.largest, logits[best]);
        CHECK_EQ(stats.second, second);
        CHECK_NEAR(stats.log_sum_exp, logits[best] + std::log(sum), 1e-5);
      }
    }
  });
}

TEST(WeightsAndSumsEqualFloat64) {
  ForEachTarget([](const char*) {
    for (const int64_t count : kLengths) {
      const auto logits = RandomFloats(static_cast<size_t>(count), 9, 10.0f);
      std::vector<float> weights(logits.size());
      SoftmaxWeights(logits.data(), count, 10.0f, 0.5f, weights.data());
      double sum = 0;
      for (size_t i = 0; i < weights.size(); ++i) {
        CHECK_NEAR(weights[i], std::exp((static_cast<double>(logits[i]) - 10) * 0.5), 1e-6);
        sum += logits[i];
      }
      CHECK_NEAR(SumFloats(logits.data(), count), sum, 1e-3);
    }
  });
}

TEST(TeamsCoverEveryIndexOnce) {
  for (const int threads : {1, testing::kThreads}) {
    const Team team(threads);
    team.Bind();
    for (const int64_t count : {0, 1, 2, 5, 100}) {
      for (const int64_t grain : {1, 7, 1000}) {
        std::vector<int> seen(static_cast<size_t>(count));
        team.Split(count, grain, [&](int64_t first, int64_t last) {
          for (; first < last; ++first) ++seen[static_cast<size_t>(first)];
        });
        CHECK(seen == std::vector<int>(static_cast<size_t>(count), 1));
      }
      std::vector<int> seen(static_cast<size_t>(count));
      team.executor().parallel_for(
          team.executor().context, static_cast<int32_t>(count),
          [](void* argument, int32_t i) { ++(*static_cast<std::vector<int>*>(argument))[i]; },
          &seen);
      CHECK(seen == std::vector<int>(static_cast<size_t>(count), 1));
    }
    std::vector<int> ran(static_cast<size_t>(threads));
    team.Run([&](int thread) { ++ran[static_cast<size_t>(thread)]; });
    CHECK(ran == std::vector<int>(static_cast<size_t>(threads), 1));
  }
}

}  // namespace
}  // namespace vattention::ops

TEST_MAIN()
