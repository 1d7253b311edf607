#include "engine.h"

#include <utility>

#include "failure.h"

namespace own_engine {

Engine::Engine(const vattn_backend& backend, uint64_t limit_bytes, cudaStream_t stream)
    : backend_(backend),
      stream_(stream),
      cache_(limit_bytes, stream),
      model_(stream),
      plain_(stream) {
  const vattn_cache_view& view = cache_.view();
  vattn_config config{};
  config.size = sizeof(config);
  config.cache_kind = view.kind;
  config.shape = view.shape;
  config.query_heads = kQueryHeads;
  config.dtype = VATTN_BFLOAT16;
  config.causal = 1;
  vattn_limits limits{};
  limits.size = sizeof(limits);
  limits.max_sequences = kMaxSequences;
  limits.max_tokens = kMaxTokens;
  limits.max_length = kMaxLength;
  // One plan for all layers and all passes: its buffers are made here.
  Error error;
  error.Check(backend.plan_create(&config, &limits, &plan_, &error), "plan_create");
}

Text Engine::Start(std::vector<int32_t> prompt) {
  return {cache_.Allocate(), histories_++, std::move(prompt), 0};
}

Text Engine::Branch(const Text& text, int32_t token) {
  std::vector<int32_t> tokens(text.tokens.begin(), text.tokens.begin() + text.cached);
  tokens.push_back(token);
  const int32_t history = histories_++;
  plain_.Copy(text.history, history);
  return {cache_.Fork(text.sequence, text.cached), history, std::move(tokens), text.cached};
}

void Engine::End(const Text& text) { cache_.Free(text.sequence); }

vattn_step_result Engine::Reserve(const std::vector<Text*>& texts,
                                  const std::vector<uint32_t>& lengths) {
  std::vector<vattn_sequence> sequences;
  for (const Text* text : texts) sequences.push_back(text->sequence);
  vattn_step_result result = cache_.Step(sequences, lengths);
  if (result.outcome == VATTN_STEP_OUT_OF_MEMORY && result.pending_bytes > 0) {
    CheckCuda(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
    result = cache_.Step(sequences, lengths);
  }
  return result;
}

void Engine::Pass(const std::vector<Text*>& texts) {
  std::vector<vattn_sequence> sequences;
  std::vector<uint32_t> queries, lengths;
  std::vector<int32_t> tokens, positions, last;
  std::vector<PassRows> rows;
  for (const Text* text : texts) {
    const auto length = static_cast<uint32_t>(text->tokens.size());
    rows.push_back({text->history, static_cast<int32_t>(tokens.size()),
                    static_cast<int32_t>(length - text->cached), static_cast<int32_t>(length)});
    for (uint32_t i = text->cached; i < length; ++i) {
      tokens.push_back(text->tokens[i]);
      positions.push_back(static_cast<int32_t>(i));
    }
    sequences.push_back(text->sequence);
    queries.push_back(length - text->cached);
    lengths.push_back(length);
    last.push_back(static_cast<int32_t>(tokens.size()) - 1);
  }
  if (Reserve(texts, lengths).outcome != VATTN_STEP_OK) {
    throw std::runtime_error(
        "the cache has no room for the next tokens: a larger engine would set "
        "a request back here");
  }
  Prepare(sequences, queries, lengths);
  model_.Embed(tokens, positions);
  for (int32_t layer = 0; layer < kLayers; ++layer) RunLayer(layer, rows);
  const std::vector<int32_t> next = model_.NextTokens(last);
  for (size_t i = 0; i < texts.size(); ++i) {
    texts[i]->cached = lengths[i];
    texts[i]->tokens.push_back(next[i]);
  }
  ++passes_;
}

// Everything of a pass that no layer changes. Waits for nothing.
void Engine::Prepare(const std::vector<vattn_sequence>& sequences,
                     const std::vector<uint32_t>& queries, const std::vector<uint32_t>& lengths) {
  std::vector<uint32_t> slots, backed;
  cache_.Resolve(sequences, &slots, &backed);
  vattn_batch batch{};
  batch.size = sizeof(batch);
  batch.count = static_cast<int32_t>(sequences.size());
  batch.query_length = queries.data();
  batch.kv_length = lengths.data();
  batch.slot = slots.data();
  batch.backed_length = backed.data();
  Error error;
  error.Check(backend_.plan_prepare(plan_, &cache_.view(), &batch, cache_.stream(), &error),
              "plan_prepare");
}

void Engine::RunLayer(int32_t layer, const std::vector<PassRows>& rows) {
  model_.Project(layer);
  const vattn_tensor query = model_.query();
  const vattn_tensor key = model_.key();
  const vattn_tensor value = model_.value();
  const vattn_tensor output = model_.output();
  // Writes the new keys and values into the cache, and attends: only enqueued.
  Error error;
  error.Check(backend_.plan_run(plan_, layer, &query, &key, &value, &output, nullptr, &error),
              "plan_run");
  for (const PassRows& each : rows) plain_.Compare(layer, each, query, key, value, output);
  model_.AddAttention(layer);
}

}  // namespace own_engine
