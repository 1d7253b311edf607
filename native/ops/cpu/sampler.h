// Choosing the next token from a row of logits.
//
// Order: biases; penalties of the tokens in `history`; then, greedy, the largest logit (the lowest
// token of equals). Otherwise temperature, top-k, top-p, min-p, each over what the one before left,
// and a draw.
#ifndef VATTENTION_OPS_CPU_SAMPLER_H_
#define VATTENTION_OPS_CPU_SAMPLER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vattention::ops {

struct RowSampling {
  float temperature = 0;         // 0: greedy
  int32_t top_k = 0;             // 0: all
  float top_p = 1;               // 1: all
  float min_p = 0;               // 0: all
  float repetition_penalty = 1;  // divides positive logits, multiplies negative ones; 1: none
  float presence_penalty = 0;    // subtracted once from what was generated
  float frequency_penalty = 0;   // and per occurrence
  uint64_t seed = 0;
  uint64_t step = 0;         // the same seed and step draw the same number
  int32_t top_logprobs = 0;  // most likely tokens to report
  // Tokens so far; its first `history_prompt` are the prompt, which only the repetition penalty
  // looks at.
  std::vector<int32_t> history;
  int64_t history_prompt = 0;
  std::vector<int32_t> bias_tokens;  // distinct
  std::vector<float> biases;         // [bias_tokens]
};

struct TokenLogprob {
  int32_t token;
  float logprob;
};

struct SampledToken {
  int32_t token = 0;
  float logprob = 0;              // natural log, under the unmodified logits
  float margin = 0;               // between the two largest logits after biases and penalties
  std::vector<TokenLogprob> top;  // under the unmodified logits, the most likely first
};

// Scratch of one thread; grows to the vocabulary at most.
struct SamplerScratch {
  struct Candidate {
    float logit;
    int32_t token;
  };
  std::vector<float> logits;   // after biases and penalties
  std::vector<float> weights;  // exp((logit - largest) / temperature)
  std::vector<Candidate> candidates;
  std::vector<int32_t> history;

  void Reserve(size_t vocabulary) {
    logits.reserve(vocabulary);
    weights.reserve(vocabulary);
    candidates.reserve(vocabulary);
  }
};

// Chooses from `logits` [vocabulary], which is not changed. Tokens in `sampling` outside the
// vocabulary are ignored.
SampledToken Sample(const float* logits, int64_t vocabulary, const RowSampling& sampling,
                    SamplerScratch* scratch);

}  // namespace vattention::ops

#endif  // VATTENTION_OPS_CPU_SAMPLER_H_
