// Someone's own engine: texts go in, and grow by a token a pass. Memory first, then every layer.
#ifndef OWN_ENGINE_ENGINE_H_
#define OWN_ENGINE_ENGINE_H_

#include <cuda_runtime_api.h>

#include <cstdint>
#include <vector>

#include "cache.h"
#include "model.h"
#include "plain_attention.h"
#include "vattention/attention.h"

namespace own_engine {

// A request: its tokens, and how many of them are in the cache.
struct Text {
  vattn_sequence sequence;
  int32_t history;  // PlainAttention's
  std::vector<int32_t> tokens;
  uint32_t cached;
};

class Engine {
 public:
  // `backend` is static; the stream outlives the engine. Throws Failure when the backend cannot.
  Engine(const vattn_backend& backend, uint64_t limit_bytes, cudaStream_t stream);
  ~Engine() { backend_.plan_destroy(plan_); }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  Text Start(std::vector<int32_t> prompt);
  // A text that goes on from what is cached of `text`, with another token: nothing is computed
  // twice.
  Text Branch(const Text& text, int32_t token);
  // Ends it. Its handle is stale from now on.
  void End(const Text& text);

  // Makes room for so many tokens of each. Waits where memory only waits for the stream; any other
  // lack is for the caller to decide, and has changed nothing.
  vattn_step_result Reserve(const std::vector<Text*>& texts, const std::vector<uint32_t>& lengths);
  // Computes what is not cached of all texts in one batch, prompts beside single tokens, and
  // appends the next token of each. Throws std::runtime_error when memory lacks.
  void Pass(const std::vector<Text*>& texts);

  const Cache& cache() const { return cache_; }
  const PlainAttention& plain() const { return plain_; }
  int32_t passes() const { return passes_; }

 private:
  void Prepare(const std::vector<vattn_sequence>& sequences, const std::vector<uint32_t>& queries,
               const std::vector<uint32_t>& lengths);
  void RunLayer(int32_t layer, const std::vector<PassRows>& rows);

  const vattn_backend& backend_;
  const cudaStream_t stream_;
  Cache cache_;
  Model model_;
  PlainAttention plain_;
  vattn_plan* plan_ = nullptr;
  int32_t histories_ = 0;
  int32_t passes_ = 0;
};

}  // namespace own_engine

#endif  // OWN_ENGINE_ENGINE_H_
