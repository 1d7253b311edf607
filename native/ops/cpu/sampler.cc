#include "ops/cpu/sampler.h"

#include <algorithm>
#include <limits>

#include "ops/cpu/counter_random.h"
#include "ops/cpu/rows.h"

namespace vattention::ops {
namespace {

using Candidate = SamplerScratch::Candidate;

// Whether `a` comes after `b`: by logit, then by token, so that the order is total.
bool Worse(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit < b.logit : a.token > b.token;
}

bool HasPenalties(const RowSampling& sampling) {
  return !sampling.history.empty() &&
         (sampling.repetition_penalty != 1 || sampling.presence_penalty != 0 ||
          sampling.frequency_penalty != 0);
}

void ApplyBiases(const RowSampling& sampling, int64_t vocabulary, float* logits) {
  for (size_t i = 0; i < sampling.bias_tokens.size(); ++i) {
    const int32_t token = sampling.bias_tokens[i];
    if (token >= 0 && token < vocabulary) logits[token] += sampling.biases[i];
  }
}

// Calls penalize(logit, occurrences) for each distinct token of history[first...].
template <typename Penalize>
void ForDistinct(const RowSampling& sampling, size_t first, int64_t vocabulary,
                 SamplerScratch* scratch, const Penalize& penalize) {
  if (first >= sampling.history.size()) return;
  std::vector<int32_t>& tokens = scratch->history;
  tokens.assign(sampling.history.begin() + static_cast<ptrdiff_t>(first), sampling.history.end());
  std::sort(tokens.begin(), tokens.end());
  for (auto run = tokens.begin(); run != tokens.end();) {
    const auto end = std::upper_bound(run, tokens.end(), *run);
    if (*run >= 0 && *run < vocabulary) {
      penalize(scratch->logits[static_cast<size_t>(*run)], end - run);
    }
    run = end;
  }
}

void ApplyPenalties(const RowSampling& sampling, int64_t vocabulary, SamplerScratch* scratch) {
  if (const float penalty = sampling.repetition_penalty; penalty != 1) {
    ForDistinct(sampling, 0, vocabulary, scratch, [&](float& logit, ptrdiff_t) {
      logit = logit > 0 ? logit / penalty : logit * penalty;
    });
  }
  if (sampling.presence_penalty == 0 && sampling.frequency_penalty == 0) return;
  const auto generated = static_cast<size_t>(std::max<int64_t>(sampling.history_prompt, 0));
  ForDistinct(sampling, generated, vocabulary, scratch, [&](float& logit, ptrdiff_t occurrences) {
    logit -= sampling.presence_penalty;
    logit -= sampling.frequency_penalty * static_cast<float>(occurrences);
  });
}

bool Better(const Candidate& a, const Candidate& b) { return Worse(b, a); }

// The `count` best tokens, the best first, into scratch->candidates.
void CollectBest(const float* logits, int64_t vocabulary, int64_t count, SamplerScratch* scratch) {
  // A heap of the best so far with the worst of them on top.
  std::vector<Candidate>& heap = scratch->candidates;
  heap.clear();
  const auto limit = static_cast<size_t>(std::min(count, vocabulary));
  for (int64_t token = 0; token < vocabulary; ++token) {
    const Candidate candidate{logits[token], static_cast<int32_t>(token)};
    if (heap.size() < limit) {
      heap.push_back(candidate);
      std::push_heap(heap.begin(), heap.end(), Better);
    } else if (Worse(heap.front(), candidate)) {
      std::pop_heap(heap.begin(), heap.end(), Better);
      heap.back() = candidate;
      std::push_heap(heap.begin(), heap.end(), Better);
    }
  }
  std::sort_heap(heap.begin(), heap.end(), Better);
}

// The tokens that top-p and min-p can leave of all, the best first, into scratch->candidates.
void CollectLikely(const float* logits, int64_t vocabulary, const RowSampling& sampling,
                   double total, SamplerScratch* scratch) {
  // Tokens of at most this weight cannot sum to more than 1 - top_p even if all were that likely.
  const double rest = std::max(0.0, 1.0 - static_cast<double>(sampling.top_p));
  const double least =
      std::max(static_cast<double>(sampling.min_p), rest * total / static_cast<double>(vocabulary));
  std::vector<Candidate>& likely = scratch->candidates;
  likely.clear();
  for (int64_t token = 0; token < vocabulary; ++token) {
    if (scratch->weights[static_cast<size_t>(token)] >= least) {
      likely.push_back({logits[token], static_cast<int32_t>(token)});
    }
  }
  std::sort(likely.begin(), likely.end(), Better);
}

// A draw from all tokens with probability proportional to their weights, in token order.
int32_t DrawFromAll(const std::vector<float>& weights, double total, double uniform,
                    int32_t fallback) {
  double left = uniform * total;
  for (size_t token = 0; token < weights.size(); ++token) {
    left -= weights[token];
    if (left < 0) return static_cast<int32_t>(token);
  }
  return fallback;  // rounding left a rest
}

// A draw from the tokens that top-k, top-p and min-p leave.
int32_t DrawFromBest(const float* logits, int64_t vocabulary, const RowSampling& sampling,
                     double total, double uniform, int32_t fallback, SamplerScratch* scratch) {
  const std::vector<Candidate>& best = scratch->candidates;
  const auto weight = [&](const Candidate& candidate) {
    return static_cast<double>(scratch->weights[static_cast<size_t>(candidate.token)]);
  };
  if (sampling.top_k > 0 && sampling.top_k < vocabulary) {
    CollectBest(logits, vocabulary, sampling.top_k, scratch);
    total = 0;
    for (const Candidate& candidate : best) total += weight(candidate);
  } else {
    CollectLikely(logits, vocabulary, sampling, total, scratch);
  }
  double kept = 0;
  size_t count = 0;
  for (; count < best.size(); ++count) {
    // The best token has weight 1 and always stays.
    if (count > 0 && (kept >= sampling.top_p * total || weight(best[count]) < sampling.min_p)) {
      break;
    }
    kept += weight(best[count]);
  }
  double left = uniform * kept;
  for (size_t i = 0; i < count; ++i) {
    left -= weight(best[i]);
    if (left < 0) return best[i].token;
  }
  return fallback;
}

int32_t Draw(const float* logits, int64_t vocabulary, const RowSampling& sampling,
             const LogitStats& stats, SamplerScratch* scratch) {
  scratch->weights.resize(static_cast<size_t>(vocabulary));
  // Finite, so that the best token's 0 stays 0.
  const float inverse = std::min(1.0f / sampling.temperature, std::numeric_limits<float>::max());
  SoftmaxWeights(logits, vocabulary, stats.largest, inverse, scratch->weights.data());
  double total = 0;
  for (const float weight : scratch->weights) total += weight;
  const double uniform = UniformDouble(sampling.seed, sampling.step);
  if (sampling.top_k <= 0 && sampling.top_p >= 1 && sampling.min_p <= 0) {
    return DrawFromAll(scratch->weights, total, uniform, stats.best);
  }
  return DrawFromBest(logits, vocabulary, sampling, total, uniform, stats.best, scratch);
}

}  // namespace

SampledToken Sample(const float* logits, int64_t vocabulary, const RowSampling& sampling,
                    SamplerScratch* scratch) {
  const LogitStats plain = ScanLogits(logits, vocabulary);
  SampledToken result;
  if (sampling.top_logprobs > 0) {
    CollectBest(logits, vocabulary, sampling.top_logprobs, scratch);
    for (const Candidate& candidate : scratch->candidates) {
      result.top.push_back({candidate.token, candidate.logit - plain.log_sum_exp});
    }
  }

  const float* adjusted = logits;
  LogitStats stats = plain;
  if (!sampling.bias_tokens.empty() || HasPenalties(sampling)) {
    scratch->logits.assign(logits, logits + vocabulary);
    ApplyBiases(sampling, vocabulary, scratch->logits.data());
    if (HasPenalties(sampling)) ApplyPenalties(sampling, vocabulary, scratch);
    adjusted = scratch->logits.data();
    stats = ScanLogits(adjusted, vocabulary);
  }

  result.margin = stats.largest - stats.second;
  result.token = stats.best;
  if (sampling.temperature > 0) result.token = Draw(adjusted, vocabulary, sampling, stats, scratch);
  result.logprob = logits[result.token] - plain.log_sum_exp;
  return result;
}

}  // namespace vattention::ops
