// Plain arithmetic, the greater part of what the tests do: not instrumented by sanitizers.
#include "tests/attention_cpu_reference.h"

#include <algorithm>
#include <random>

namespace vattention::testing {
namespace {

std::vector<double> Rounded(const std::vector<float>& values, int32_t dtype) {
  std::vector<double> rounded(values.size());
  for (size_t i = 0; i < values.size(); ++i) rounded[i] = Round(values[i], dtype);
  return rounded;
}

}  // namespace

void StoreAll(const float* from, int64_t count, int32_t dtype, void* to) {
  if (dtype == VATTN_FLOAT32) {
    std::memcpy(to, from, static_cast<size_t>(count) * 4);
    return;
  }
  for (int64_t i = 0; i < count; ++i) Store(from[i], dtype, static_cast<char*>(to) + 2 * i);
}

void LoadAll(const void* from, int64_t count, int32_t dtype, float* to) {
  if (dtype == VATTN_FLOAT32) {
    std::memcpy(to, from, static_cast<size_t>(count) * 4);
    return;
  }
  for (int64_t i = 0; i < count; ++i) to[i] = Load(static_cast<const char*>(from) + 2 * i, dtype);
}

Content MakeContent(const Setup& setup, int32_t kv_length, uint64_t seed, float spread) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<float> normal(0, spread);
  const auto fill = [&](std::vector<float>& to, int64_t heads, int64_t dim) {
    to.resize(static_cast<size_t>(kv_length * heads * dim));
    for (float& value : to) value = Round(normal(generator), setup.dtype);
  };
  Content content;
  content.kv_length = kv_length;
  fill(content.query, setup.query_heads, setup.head_dim);
  fill(content.key, setup.kv_heads, setup.head_dim);
  fill(content.value, setup.kv_heads, setup.value_head_dim);
  return content;
}

Result Reference(const Setup& setup, const std::vector<Part>& parts) {
  Result result;
  const double scale =
      setup.scale != 0 ? setup.scale : 1 / std::sqrt(static_cast<double>(setup.head_dim));
  for (const Part& part : parts) {
    const std::vector<double> keys = Rounded(part.content->key, setup.cache_dtype);
    const std::vector<double> values = Rounded(part.content->value, setup.cache_dtype);
    for (uint32_t i = 0; i < part.query; ++i) {
      const int64_t position = static_cast<int64_t>(part.kv) - part.query + i;
      for (int64_t head = 0; head < setup.query_heads; ++head) {
        const int64_t kv_head = head / (setup.query_heads / setup.kv_heads);
        const float* query = &part.content->query[static_cast<size_t>(
            (position * setup.query_heads + head) * setup.head_dim)];
        std::vector<double> scores;
        std::vector<int64_t> tokens;
        for (int64_t j = 0; j < static_cast<int64_t>(part.kv); ++j) {
          if (setup.causal && j > position) continue;
          if (setup.window > 0 && j <= position - setup.window) continue;
          const double* row =
              &keys[static_cast<size_t>((j * setup.kv_heads + kv_head) * setup.head_dim)];
          double score = 0;
          for (int64_t e = 0; e < setup.head_dim; ++e) {
            score += static_cast<double>(query[e]) * row[e];
          }
          score *= scale;
          if (setup.soft_cap > 0) score = setup.soft_cap * std::tanh(score / setup.soft_cap);
          if (!setup.alibi.empty()) {
            score += static_cast<double>(setup.alibi[static_cast<size_t>(head)]) *
                     static_cast<double>(j - position);
          }
          scores.push_back(score);
          tokens.push_back(j);
        }
        std::vector<double> sum(static_cast<size_t>(setup.value_head_dim), 0.0);
        double top = -std::numeric_limits<double>::infinity();
        for (const double score : scores) top = std::max(top, score);
        double total = 0;
        if (!setup.sinks.empty() && !scores.empty()) {
          top = std::max(top, static_cast<double>(setup.sinks[static_cast<size_t>(head)]));
          total = std::exp(setup.sinks[static_cast<size_t>(head)] - top);
        }
        for (size_t s = 0; s < scores.size(); ++s) {
          const double weight = std::exp(scores[s] - top);
          total += weight;
          const double* row = &values[static_cast<size_t>((tokens[s] * setup.kv_heads + kv_head) *
                                                          setup.value_head_dim)];
          for (int64_t e = 0; e < setup.value_head_dim; ++e) {
            sum[static_cast<size_t>(e)] += weight * row[e];
          }
        }
        for (const double value : sum) {
          result.output.push_back(static_cast<float>(total > 0 ? value / total : 0));
        }
        result.lse.push_back(static_cast<float>(total > 0 ? top + std::log(total) : -kInfinity));
      }
    }
  }
  return result;
}

void CheckClose(const Setup& setup, const Result& result, const Result& reference) {
  // One rounding of the output's dtype (up to 2^-8 or 2^-11 of the value), or float32 noise.
  const double bound = setup.dtype == VATTN_BFLOAT16  ? 1.0 / 256
                       : setup.dtype == VATTN_FLOAT16 ? 1.0 / 2048
                                                      : 1e-5;
  CHECK_EQ(result.output.size(), reference.output.size());
  for (size_t i = 0; i < result.output.size(); ++i) {
    const double scale = std::max(1.0, std::fabs(static_cast<double>(reference.output[i])));
    CHECK_NEAR(result.output[i], reference.output[i], bound * scale);
  }
  for (size_t i = 0; i < result.lse.size(); ++i) {
    if (reference.lse[i] == -kInfinity) {
      CHECK_EQ(result.lse[i], -kInfinity);
    } else {
      CHECK_NEAR(result.lse[i], reference.lse[i],
                 1e-5 * std::max(1.0f, std::fabs(reference.lse[i])));
    }
  }
}

}  // namespace vattention::testing
