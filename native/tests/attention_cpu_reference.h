// Attention in plain float64 loops, and how close a result must come to it.
#ifndef VATTENTION_NATIVE_TESTS_ATTENTION_CPU_REFERENCE_H_
#define VATTENTION_NATIVE_TESTS_ATTENTION_CPU_REFERENCE_H_

#include "tests/attention_cpu_fixture.h"

namespace vattention::testing {

// Attention of all rows of a pass in float64, from the contents as the cache's dtype rounds them.
inline Result Reference(const Setup& setup, const std::vector<Part>& parts) {
  Result result;
  const double scale =
      setup.scale != 0 ? setup.scale : 1 / std::sqrt(static_cast<double>(setup.head_dim));
  for (const Part& part : parts) {
    for (uint32_t i = 0; i < part.query; ++i) {
      const int64_t position = static_cast<int64_t>(part.kv) - part.query + i;
      for (int64_t head = 0; head < setup.query_heads; ++head) {
        const int64_t kv_head = head / (setup.query_heads / setup.kv_heads);
        std::vector<double> scores;
        std::vector<int64_t> tokens;
        for (int64_t j = 0; j < static_cast<int64_t>(part.kv); ++j) {
          if (setup.causal && j > position) continue;
          if (setup.window > 0 && j <= position - setup.window) continue;
          double score = 0;
          for (int64_t e = 0; e < setup.head_dim; ++e) {
            const size_t q =
                static_cast<size_t>((position * setup.query_heads + head) * setup.head_dim + e);
            const size_t k =
                static_cast<size_t>((j * setup.kv_heads + kv_head) * setup.head_dim + e);
            score += static_cast<double>(part.content->query[q]) *
                     Round(part.content->key[k], setup.cache_dtype);
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
          for (int64_t e = 0; e < setup.value_head_dim; ++e) {
            const size_t v = static_cast<size_t>(
                (tokens[s] * setup.kv_heads + kv_head) * setup.value_head_dim + e);
            sum[static_cast<size_t>(e)] +=
                weight * Round(part.content->value[v], setup.cache_dtype);
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

// Largest difference of outputs, relative to 1 for small ones; LSE are compared with `lse` bound.
inline void CheckClose(const Setup& setup, const Result& result, const Result& reference) {
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

#endif  // VATTENTION_NATIVE_TESTS_ATTENTION_CPU_REFERENCE_H_
