// Plain arithmetic, the greater part of what the tests do: not instrumented by sanitizers.
#include "ops/cpu/bfloat16.h"
#include "ops/cpu/counter_random.h"
#include "tests/ops_fixture.h"

namespace vattention::ops::testing {

std::vector<float> RandomFloats(size_t count, uint64_t seed, float scale) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(2.0 * UniformDouble(seed, i) - 1.0) * scale;
  }
  return values;
}

std::vector<uint16_t> Rounded(const std::vector<float>& values) {
  std::vector<uint16_t> result;
  for (const float value : values) result.push_back(ToBfloat16(value));
  return result;
}

std::vector<double> Product(const std::vector<double>& activations,
                            const std::vector<double>& weights, int64_t inputs) {
  const auto length = static_cast<size_t>(inputs);
  std::vector<double> product;
  for (size_t m = 0; m < activations.size(); m += length) {
    for (size_t n = 0; n < weights.size(); n += length) {
      double sum = 0;
      for (size_t k = 0; k < length; ++k) sum += activations[m + k] * weights[n + k];
      product.push_back(sum);
    }
  }
  return product;
}

}  // namespace vattention::ops::testing
