// Plain arithmetic: not instrumented by sanitizers.
#include "tests/ops_llama_fixture.h"

namespace vattention::ops::testing {

std::vector<std::vector<double>> Reference(const LlamaConfig& config, const Tensors& tensors,
                                           const std::vector<int32_t>& tokens, int64_t window) {
  using Row = std::vector<double>;
  const auto multiply = [](const std::vector<float>& matrix, const Row& x) {
    Row y(matrix.size() / x.size());
    for (size_t n = 0; n < y.size(); ++n) {
      for (size_t k = 0; k < x.size(); ++k) y[n] += matrix[n * x.size() + k] * x[k];
    }
    return y;
  };
  const auto norm = [&](const Row& x, const std::vector<float>& weight) {
    double squares = 0;
    for (const double value : x) squares += value * value;
    const double factor =
        1 / std::sqrt(squares / static_cast<double>(x.size()) + config.norm_epsilon);
    Row y(x.size());
    for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] * factor * weight[i];
    return y;
  };
  const auto dim = static_cast<size_t>(config.head_dim);
  const auto heads_of = [&](WeightRole role, WeightRole bias_role, int32_t layer, const Row& x) {
    Row y = multiply(*tensors.Find(role, layer), x);
    if (const auto* bias = tensors.Find(bias_role, layer)) {
      for (size_t i = 0; i < y.size(); ++i) y[i] += (*bias)[i];
    }
    std::vector<Row> heads;
    for (size_t i = 0; i < y.size(); i += dim) {
      heads.emplace_back(y.begin() + static_cast<ptrdiff_t>(i),
                         y.begin() + static_cast<ptrdiff_t>(i + dim));
    }
    return heads;
  };
  const auto turn = [&](std::vector<Row> heads, WeightRole norm_role, int32_t layer,
                        size_t position) {
    const auto* weight = tensors.Find(norm_role, layer);
    const auto* factors = tensors.Find(WeightRole::kRopeFactors);
    const auto dims = static_cast<size_t>(config.rope_dims);
    for (Row& head : heads) {
      if (weight != nullptr) head = norm(head, *weight);
      for (size_t i = 0; i < dims / 2; ++i) {
        const double factor = config.rope_scale * (factors == nullptr ? 1.0 : (*factors)[i]);
        const double angle =
            static_cast<double>(position) / factor *
            std::pow(config.rope_base, -2.0 * static_cast<double>(i) / static_cast<double>(dims));
        const bool pairs = config.rope_style == RopeStyle::kInterleaved;
        double& a = head[pairs ? 2 * i : i];
        double& b = head[pairs ? 2 * i + 1 : i + dims / 2];
        const double turned = a * std::cos(angle) - b * std::sin(angle);
        b = a * std::sin(angle) + b * std::cos(angle);
        a = turned;
      }
    }
    return heads;
  };

  const auto hidden = static_cast<size_t>(config.hidden_size);
  const auto& embedding = *tensors.Find(WeightRole::kEmbedding);
  std::vector<Row> residual;
  for (const int32_t token : tokens) {
    const auto row = embedding.begin() + static_cast<ptrdiff_t>(token) * config.hidden_size;
    residual.emplace_back(row, row + config.hidden_size);
  }
  const auto group = static_cast<size_t>(config.query_heads / config.kv_heads);
  for (int32_t layer = 0; layer < config.layers; ++layer) {
    std::vector<std::vector<Row>> keys;
    std::vector<std::vector<Row>> values;
    for (size_t t = 0; t < tokens.size(); ++t) {
      Row& x = residual[t];
      const Row normed = norm(x, *tensors.Find(WeightRole::kAttentionNorm, layer));
      const auto query = turn(heads_of(WeightRole::kQuery, WeightRole::kQueryBias, layer, normed),
                              WeightRole::kQueryNorm, layer, t);
      keys.push_back(turn(heads_of(WeightRole::kKey, WeightRole::kKeyBias, layer, normed),
                          WeightRole::kKeyNorm, layer, t));
      values.push_back(heads_of(WeightRole::kValue, WeightRole::kValueBias, layer, normed));
      Row attended;
      for (size_t h = 0; h < query.size(); ++h) {
        const size_t first = window > 0 && t + 1 > static_cast<size_t>(window)
                                 ? t + 1 - static_cast<size_t>(window)
                                 : 0;
        Row weights;
        double sum = 0;
        for (size_t j = first; j <= t; ++j) {
          double score = 0;
          for (size_t d = 0; d < dim; ++d) score += query[h][d] * keys[j][h / group][d];
          weights.push_back(std::exp(score / std::sqrt(static_cast<double>(dim))));
          sum += weights.back();
        }
        Row head(dim);
        for (size_t j = first; j <= t; ++j) {
          for (size_t d = 0; d < dim; ++d) {
            head[d] += weights[j - first] / sum * values[j][h / group][d];
          }
        }
        attended.insert(attended.end(), head.begin(), head.end());
      }
      const Row projected = multiply(*tensors.Find(WeightRole::kAttentionOutput, layer), attended);
      for (size_t i = 0; i < hidden; ++i) x[i] += projected[i];
      const Row second = norm(x, *tensors.Find(WeightRole::kFeedForwardNorm, layer));
      Row gate = multiply(*tensors.Find(WeightRole::kGate, layer), second);
      const Row up = multiply(*tensors.Find(WeightRole::kUp, layer), second);
      for (size_t i = 0; i < gate.size(); ++i) gate[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
      const Row down = multiply(*tensors.Find(WeightRole::kDown, layer), gate);
      for (size_t i = 0; i < hidden; ++i) x[i] += down[i];
    }
  }
  const auto* output = tensors.Find(WeightRole::kOutput);
  std::vector<Row> result;
  for (const Row& x : residual) {
    Row logits = multiply(output != nullptr ? *output : embedding,
                          norm(x, *tensors.Find(WeightRole::kOutputNorm)));
    double sum = 0;
    for (const double logit : logits) sum += std::exp(logit);
    for (double& logit : logits) logit -= std::log(sum);
    result.push_back(std::move(logits));
  }
  return result;
}

}  // namespace vattention::ops::testing
