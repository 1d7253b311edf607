// The pieces below attention: conversions, exp, merging; on every instruction set.
#include <algorithm>
#include <random>

#include "attention/cpu/kernels.h"
#include "tests/attention_cpu_fixture.h"
#include "tests/attention_cpu_reference.h"
#include "tests/attention_cpu_targets.h"

namespace vattention::testing {
namespace {

std::vector<float> AwkwardFloats() {
  std::vector<float> values = {0.0f,      -0.0f,     kInfinity,   -kInfinity, 1e-45f,
                               1.17e-38f, 65504.0f,  65519.9f,    65520.0f,   6.1e-5f,
                               5.96e-8f,  2.98e-8f,  2.99e-8f,    1.0f,       -1.0f,
                               3.4e38f,   -3.39e38f, 1.00390625f, 1.0117188f};
  std::mt19937 generator(3);
  for (int i = 0; i < 20000; ++i) {
    const uint32_t bits = generator();
    float value;
    std::memcpy(&value, &bits, 4);
    if (!std::isnan(value)) values.push_back(value);
  }
  return values;
}

TEST(ConversionsRoundToNearestEven) {
  const std::vector<float> values = AwkwardFloats();
  const auto count = static_cast<int32_t>(values.size());
  ForEachTarget([&] {
    const cpu::Kernels& kernels = cpu::GetKernels();
    for (const int32_t dtype : {VATTN_FLOAT16, VATTN_BFLOAT16}) {
      std::vector<uint16_t> halves(values.size());
      std::vector<float> back(values.size());
      kernels.convert(reinterpret_cast<const char*>(values.data()), VATTN_FLOAT32,
                      reinterpret_cast<char*>(halves.data()), dtype, count);
      kernels.convert(reinterpret_cast<const char*>(halves.data()), dtype,
                      reinterpret_cast<char*>(back.data()), VATTN_FLOAT32, count);
      for (size_t i = 0; i < values.size(); ++i) {
        const uint16_t expected =
            dtype == VATTN_FLOAT16 ? ToFloat16(values[i]) : ToBfloat16(values[i]);
        if (halves[i] != expected) {
          Fail(__FILE__, __LINE__, Show(values[i]) + " became " + Show(FromHalf(halves[i], dtype)));
        }
        const float exact = FromHalf(expected, dtype);
        CHECK(std::memcmp(&back[i], &exact, 4) == 0);
      }
    }
  });
}

TEST(EveryHalfWidens) {
  std::vector<uint16_t> halves(65536);
  std::iota(halves.begin(), halves.end(), uint16_t{0});
  ForEachTarget([&] {
    const cpu::Kernels& kernels = cpu::GetKernels();
    for (const int32_t dtype : {VATTN_FLOAT16, VATTN_BFLOAT16}) {
      std::vector<float> wide(halves.size());
      kernels.convert(reinterpret_cast<const char*>(halves.data()), dtype,
                      reinterpret_cast<char*>(wide.data()), VATTN_FLOAT32, 65536);
      for (size_t i = 0; i < wide.size(); ++i) {
        const float expected = FromHalf(halves[i], dtype);
        if (std::isnan(expected)) {
          CHECK(std::isnan(wide[i]));
        } else {
          CHECK(std::memcmp(&wide[i], &expected, 4) == 0);
        }
      }
    }
  });
}

TEST(NanStaysNan) {
  const float nan[3] = {std::nanf(""), -std::nanf("1"), std::nanf("0x3fffff")};
  ForEachTarget([&] {
    const cpu::Kernels& kernels = cpu::GetKernels();
    for (const int32_t dtype : {VATTN_FLOAT16, VATTN_BFLOAT16}) {
      uint16_t half[3];
      kernels.convert(reinterpret_cast<const char*>(nan), VATTN_FLOAT32,
                      reinterpret_cast<char*>(half), dtype, 3);
      for (const uint16_t each : half) CHECK(std::isnan(FromHalf(each, dtype)));
    }
  });
}

TEST(ConversionsLeaveTheRestAlone) {
  ForEachTarget([&] {
    const cpu::Kernels& kernels = cpu::GetKernels();
    for (int32_t count = 0; count <= 70; ++count) {
      std::vector<float> from(static_cast<size_t>(count), 1.5f);
      std::vector<uint16_t> to(80, 0x7777);
      kernels.convert(reinterpret_cast<const char*>(from.data()), VATTN_FLOAT32,
                      reinterpret_cast<char*>(to.data()), VATTN_BFLOAT16, count);
      for (size_t i = 0; i < to.size(); ++i) {
        CHECK_EQ(to[i], i < from.size() ? ToBfloat16(1.5f) : 0x7777);
      }
    }
  });
}

TEST(ExpIsAccurate) {
  ForEachTarget([&] {
    const cpu::Kernels& kernels = cpu::GetKernels();
    CHECK_EQ(kernels.exp_difference(3.5f, 3.5f), 1.0f);
    CHECK_EQ(kernels.exp_difference(-kInfinity, 0.0f), 0.0f);
    CHECK_EQ(kernels.exp_difference(-1000.0f, 0.0f), 0.0f);
    CHECK(std::isnan(kernels.exp_difference(std::nanf(""), 0.0f)));
    for (float x = -87.0f; x <= 0; x += 0.0137f) {
      const double exact = std::exp(static_cast<double>(x));
      CHECK_NEAR(kernels.exp_difference(x, 0.0f) / exact, 1.0, 2.5e-7);
    }
  });
}

// Splits one long row's keys into `pieces`, some of them empty, attends to each and merges.
TEST(MergedPiecesEqualTheWhole) {
  Setup setup;
  setup.causal = false;
  setup.layers = 1;
  constexpr int32_t kLength = 170;
  const Content content = MakeContent(setup, kLength, 6);
  for (const int32_t pieces : {1, 2, 3, 5, 17}) {
    std::vector<HostTensor> outputs;
    std::vector<HostTensor> lses;
    std::vector<vattn_partial> partials;
    const int32_t heads = setup.query_heads;
    for (int32_t piece = 0; piece < pieces; ++piece) {
      // Every third piece has no keys: its output may be anything.
      const bool empty = piece % 3 == 1;
      const int32_t from = kLength * piece / pieces;
      const int32_t to = kLength * (piece + 1) / pieces;
      Content part;
      part.kv_length = to - from;
      part.query.assign(content.query.end() - heads * 64, content.query.end());
      const auto slice = [&](const std::vector<float>& all) {
        const int64_t row = static_cast<int64_t>(setup.kv_heads) * 64;
        return std::vector<float>(all.begin() + from * row, all.begin() + to * row);
      };
      part.key = slice(content.key);
      part.value = slice(content.value);
      part.query.resize(static_cast<size_t>((to - from) * heads * 64));
      std::copy(content.query.end() - heads * 64, content.query.end(),
                part.query.end() - heads * 64);
      TestCache cache(setup, 1, to - from);
      cache.Write(part, 0, 0, to - from);
      const PlanPtr plan = MakePlan(setup, cache, 1, 1, to - from);
      const Result result =
          RunPass(plan.get(), setup, cache,
                  {{&part, 0, 1, empty ? 0u : static_cast<uint32_t>(to - from)}}, 0, 0, !empty);
      outputs.emplace_back(VATTN_FLOAT32, 1, heads, 64);
      lses.emplace_back(VATTN_FLOAT32, 1, 1, heads);
      for (int64_t h = 0; h < heads; ++h) {
        for (int64_t e = 0; e < 64; ++e) {
          Store(empty ? std::nanf("") : result.output[static_cast<size_t>(h * 64 + e)],
                VATTN_FLOAT32, outputs.back().At(0, h, e));
        }
        Store(result.lse[static_cast<size_t>(h)], VATTN_FLOAT32, lses.back().At(0, 0, h));
      }
      vattn_tensor matrix = lses.back().Matrix();
      matrix.shape[1] = heads;
      partials.push_back({outputs.back().tensor, matrix});
    }
    // The reference over the keys of the pieces that are not empty.
    Content kept;
    for (int32_t piece = 0; piece < pieces; ++piece) {
      if (piece % 3 == 1) continue;
      const int64_t row = static_cast<int64_t>(setup.kv_heads) * 64;
      const int64_t from = kLength * piece / pieces * row;
      const int64_t to = kLength * (piece + 1) / pieces * row;
      kept.key.insert(kept.key.end(), content.key.begin() + from, content.key.begin() + to);
      kept.value.insert(kept.value.end(), content.value.begin() + from, content.value.begin() + to);
      kept.kv_length += static_cast<int32_t>((to - from) / row);
    }
    kept.query.resize(static_cast<size_t>(kept.kv_length * heads * 64));
    std::copy(content.query.end() - heads * 64, content.query.end(), kept.query.end() - heads * 64);
    const Result reference =
        Reference(setup, {{&kept, 0, 1, static_cast<uint32_t>(kept.kv_length)}});
    HostTensor output(VATTN_FLOAT32, 1, heads, 64);
    HostTensor lse(VATTN_FLOAT32, 1, 1, heads);
    vattn_tensor matrix = lse.Matrix();
    matrix.shape[1] = heads;
    Error error;
    CHECK_EQ(vattn_cpu_backend()->merge(partials.data(), pieces, &output.tensor, &matrix,
                                        vattn_stream{}, &error),
             VATTN_OK);
    Result merged;
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t e = 0; e < 64; ++e) {
        merged.output.push_back(Load(output.At(0, h, e), VATTN_FLOAT32));
      }
      merged.lse.push_back(Load(lse.At(0, 0, h), VATTN_FLOAT32));
    }
    CheckClose(setup, merged, reference);
  }
}

TEST(MergingOnlyEmptyPiecesGivesZeros) {
  HostTensor output(VATTN_FLOAT32, 1, 1, 8);
  HostTensor empty(VATTN_FLOAT32, 1, 1, 8);
  HostTensor lse(VATTN_FLOAT32, 1, 1, 1);
  Store(-kInfinity, VATTN_FLOAT32, lse.At(0, 0, 0));
  const vattn_partial partials[2] = {{empty.tensor, lse.Matrix()}, {empty.tensor, lse.Matrix()}};
  Error error;
  CHECK_EQ(vattn_cpu_backend()->merge(partials, 2, &output.tensor, nullptr, vattn_stream{}, &error),
           VATTN_OK);
  for (int64_t e = 0; e < 8; ++e) CHECK_EQ(Load(output.At(0, 0, e), VATTN_FLOAT32), 0.0f);
}

}  // namespace
}  // namespace vattention::testing

TEST_MAIN()
