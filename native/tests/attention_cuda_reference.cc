// Plain arithmetic, the greater part of what the tests do on the CPU.
#include "tests/attention_cuda_reference.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/attention_cpu_elements.h"

namespace vattention::testing {

namespace {

// Splitmix64: one number from another, as good as random.
uint64_t Mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

int64_t Heads(const Scenario& scenario, Operand operand) {
  return operand == Operand::kQuery ? scenario.query_heads : scenario.kv_heads;
}

template <typename Task>
void ForAll(int64_t count, const Task& task) {
  std::atomic<int64_t> next = 0;
  const auto work = [&] {
    for (int64_t i = next++; i < count; i = next++) task(i);
  };
  std::vector<std::thread> threads;
  const int64_t most = std::min<int64_t>(std::thread::hardware_concurrency(), count);
  for (int64_t i = 1; i < most; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
}

std::vector<float> FloatTokens(const Scenario& scenario, uint64_t seed, int32_t layer,
                               Operand operand, int64_t from, int64_t to) {
  const std::vector<uint16_t> tokens = Tokens(scenario, seed, layer, operand, from, to);
  return ToFloats(tokens.data(), tokens.size(), scenario.dtype);
}

}  // namespace

std::vector<float> ToFloats(const uint16_t* values, size_t count, int32_t dtype) {
  std::vector<float> floats(count);
  for (size_t i = 0; i < count; ++i) floats[i] = FromHalf(values[i], dtype);
  return floats;
}

std::vector<uint16_t> Tokens(const Scenario& scenario, uint64_t seed, int32_t layer,
                             Operand operand, int64_t from, int64_t to) {
  constexpr float kLargest = 1.75f;
  const uint64_t row = static_cast<uint64_t>(Heads(scenario, operand) * scenario.head_dim);
  const uint64_t stream =
      Mix(Mix(seed) ^ (static_cast<uint64_t>(layer) << 8 | static_cast<uint64_t>(operand)));
  std::vector<uint16_t> values(static_cast<size_t>(to - from) * row);
  const uint64_t first = static_cast<uint64_t>(from) * row;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto unit =
        static_cast<float>(Mix(stream + first + i) >> 40) / static_cast<float>(1 << 24);
    const float value = kLargest * (2 * unit - 1);
    values[i] = scenario.dtype == VATTN_BFLOAT16 ? ToBfloat16(value) : ToFloat16(value);
  }
  return values;
}

double OutputBound(int32_t dtype) { return dtype == VATTN_BFLOAT16 ? 1.0 / 128 : 1.0 / 512; }

double LseBound(int32_t dtype, bool sums_rounded) {
  const double rounding = dtype == VATTN_BFLOAT16 ? 1.0 / 512 : 1.0 / 4096;
  return 5e-4 + (sums_rounded ? rounding : 0);
}

Result Reference(const Scenario& scenario, uint64_t seed, int32_t layer, uint32_t query,
                 uint32_t kv) {
  const int64_t heads = scenario.query_heads;
  const int64_t kv_heads = scenario.kv_heads;
  const int64_t dim = scenario.head_dim;
  Result result;
  result.output.assign(static_cast<size_t>(query * heads * dim), 0.0f);
  result.lse.assign(static_cast<size_t>(query * heads), -kInfinity);
  if (kv == 0) return result;
  const int64_t context = static_cast<int64_t>(kv) - query;
  const std::vector<float> queries =
      FloatTokens(scenario, seed, layer, Operand::kQuery, context, kv);
  const std::vector<float> keys = FloatTokens(scenario, seed, layer, Operand::kKey, 0, kv);
  const std::vector<float> values = FloatTokens(scenario, seed, layer, Operand::kValue, 0, kv);
  const double scale = 1 / std::sqrt(static_cast<double>(dim));
  ForAll(query * heads, [&](int64_t index) {
    const int64_t position = context + index / heads;
    const int64_t head = index % heads;
    const int64_t kv_head = head / (heads / kv_heads);
    const int64_t first =
        scenario.window > 0 ? std::max<int64_t>(0, position - scenario.window + 1) : 0;
    const int64_t end = scenario.causal ? position + 1 : static_cast<int64_t>(kv);
    const float* row = &queries[static_cast<size_t>(index * dim)];
    std::vector<double> scores(static_cast<size_t>(end - first));
    double top = -std::numeric_limits<double>::infinity();
    for (int64_t j = first; j < end; ++j) {
      const float* key = &keys[static_cast<size_t>((j * kv_heads + kv_head) * dim)];
      double score = 0;
      for (int64_t e = 0; e < dim; ++e) score += static_cast<double>(row[e]) * key[e];
      score *= scale;
      if (scenario.soft_cap > 0) {
        score = scenario.soft_cap * std::tanh(score / scenario.soft_cap);
      }
      if (!scenario.alibi.empty()) {
        score += static_cast<double>(scenario.alibi[static_cast<size_t>(head)]) *
                 static_cast<double>(j - position);
      }
      scores[static_cast<size_t>(j - first)] = score;
      top = std::max(top, score);
    }
    std::vector<double> sum(static_cast<size_t>(dim), 0.0);
    double total = 0;
    for (int64_t j = first; j < end; ++j) {
      const double weight = std::exp(scores[static_cast<size_t>(j - first)] - top);
      total += weight;
      const float* value = &values[static_cast<size_t>((j * kv_heads + kv_head) * dim)];
      for (int64_t e = 0; e < dim; ++e) sum[static_cast<size_t>(e)] += weight * value[e];
    }
    for (int64_t e = 0; e < dim; ++e) {
      result.output[static_cast<size_t>(index * dim + e)] =
          static_cast<float>(sum[static_cast<size_t>(e)] / total);
    }
    result.lse[static_cast<size_t>(index)] = static_cast<float>(top + std::log(total));
  });
  return result;
}

}  // namespace vattention::testing
