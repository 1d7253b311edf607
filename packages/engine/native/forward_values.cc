#include "forward_values.h"

#include <cstdint>
#include <vector>

#include "node/args.h"

namespace vattention::engine_addon {

namespace {

using node::Elements;
using node::IntegerProperty;
using node::NumberProperty;

// A typed array's elements as a vector of another type of the same size.
template <typename To, typename From>
std::vector<To> Copy(const Napi::Value& value) {
  const auto elements = Elements<From>(value);
  return std::vector<To>(elements.begin(), elements.end());
}

ops::RowSampling ReadSampling(const Napi::Object& object) {
  ops::RowSampling sampling;
  const auto number = [&](const char* name) {
    return static_cast<float>(NumberProperty(object, name));
  };
  sampling.temperature = number("temperature");
  sampling.top_k = IntegerProperty<int32_t>(object, "topK");
  sampling.top_p = number("topP");
  sampling.min_p = number("minP");
  sampling.repetition_penalty = number("repetitionPenalty");
  sampling.presence_penalty = number("presencePenalty");
  sampling.frequency_penalty = number("frequencyPenalty");
  sampling.seed = IntegerProperty<uint64_t>(object, "seed");
  sampling.step = IntegerProperty<uint64_t>(object, "step");
  sampling.history = Copy<int32_t, uint32_t>(object.Get("history"));
  sampling.history_prompt = IntegerProperty<int64_t>(object, "historyPrompt");
  sampling.top_logprobs = IntegerProperty<int32_t>(object, "topLogprobs");
  sampling.bias_tokens = Copy<int32_t, uint32_t>(object.Get("biasTokens"));
  sampling.biases = Copy<float, float>(object.Get("biases"));
  if (sampling.biases.size() != sampling.bias_tokens.size()) {
    node::ThrowInvalidArgument(object.Env(), "Expected as many biases as biasTokens.");
  }
  return sampling;
}

Napi::Object WriteTop(Napi::Env env, const std::vector<ops::TokenLogprob>& top) {
  auto tokens = Napi::Int32Array::New(env, top.size());
  auto logprobs = Napi::Float32Array::New(env, top.size());
  for (size_t i = 0; i < top.size(); ++i) {
    tokens[i] = top[i].token;
    logprobs[i] = top[i].logprob;
  }
  auto object = Napi::Object::New(env);
  object.Set("tokens", tokens);
  object.Set("logprobs", logprobs);
  return object;
}

}  // namespace

ops::ForwardBatch ReadBatch(const Napi::Object& object) {
  ops::ForwardBatch batch;
  batch.sequences = Copy<uint32_t, uint32_t>(object.Get("sequences"));
  batch.query_lengths = Copy<uint32_t, uint32_t>(object.Get("queryLengths"));
  batch.kv_lengths = Copy<uint32_t, uint32_t>(object.Get("kvLengths"));
  batch.tokens = Copy<int32_t, int32_t>(object.Get("tokens"));
  batch.logit_rows = Copy<uint32_t, uint32_t>(object.Get("logitRows"));
  const auto sampling = object.Get("sampling").As<Napi::Array>();
  const uint32_t count = sampling.Length();
  batch.sampling.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    const Napi::HandleScope scope(object.Env());
    batch.sampling.push_back(ReadSampling(sampling.Get(i).As<Napi::Object>()));
  }
  return batch;
}

Napi::Object WriteResult(Napi::Env env, const ops::ForwardResult& result) {
  const size_t count = result.tokens.size();
  auto tokens = Napi::Int32Array::New(env, count);
  auto logprobs = Napi::Float32Array::New(env, count);
  auto margins = Napi::Float32Array::New(env, count);
  auto top = Napi::Array::New(env, count);
  for (size_t i = 0; i < count; ++i) {
    tokens[i] = result.tokens[i].token;
    logprobs[i] = result.tokens[i].logprob;
    margins[i] = result.tokens[i].margin;
    const Napi::HandleScope scope(env);
    top.Set(static_cast<uint32_t>(i), WriteTop(env, result.tokens[i].top));
  }
  auto timings = Napi::Object::New(env);
  timings.Set("totalNs", static_cast<double>(result.timings.total_ns));
  timings.Set("attentionNs", static_cast<double>(result.timings.attention_ns));
  timings.Set("matmulNs", static_cast<double>(result.timings.matmul_ns));
  timings.Set("samplingNs", static_cast<double>(result.timings.sampling_ns));
  auto object = Napi::Object::New(env);
  object.Set("tokens", tokens);
  object.Set("logprobs", logprobs);
  object.Set("margins", margins);
  object.Set("top", top);
  object.Set("timings", timings);
  return object;
}

}  // namespace vattention::engine_addon
