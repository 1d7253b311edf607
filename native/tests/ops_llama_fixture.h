// A small random Llama-family model, the same in float64, and caches to run it over.
#ifndef VATTENTION_NATIVE_TESTS_OPS_LLAMA_FIXTURE_H_
#define VATTENTION_NATIVE_TESTS_OPS_LLAMA_FIXTURE_H_

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "attention/cpu/cpu_backend.h"
#include "ops/cpu/counter_random.h"
#include "ops/cpu/llama_runner.h"
#include "tests/check.h"
#include "tests/ops_fixture.h"
#include "vattention/contiguous_cache.h"
#include "vattention/paged_cache.h"

namespace vattention::ops::testing {

struct Variant {
  Precision precision = Precision::kFloat32;
  RopeStyle style = RopeStyle::kInterleaved;
  bool tied = false;
  bool biases = false;
  bool head_norms = false;
  bool factors = false;
  int32_t rope_dims = 16;
};

inline LlamaConfig SmallConfig(const Variant& variant) {
  LlamaConfig config;
  config.layers = 3;
  config.hidden_size = 40;
  config.feed_forward_size = 72;
  config.query_heads = 4;
  config.kv_heads = 2;
  config.head_dim = 16;
  config.vocabulary_size = 101;
  config.rope_base = 1000;
  config.rope_dims = variant.rope_dims;
  config.rope_style = variant.style;
  config.rope_scale = variant.factors ? 2 : 1;
  config.tied_embeddings = variant.tied;
  config.precision = variant.precision;
  return config;
}

// All tensors of a model by value. Matrices hold what packing makes of them.
struct Tensors {
  std::map<std::pair<WeightRole, int32_t>, std::vector<float>> values;

  Tensors(const LlamaConfig& config, const Variant& variant) {
    uint64_t seed = 100;
    for (int r = 0; r < kWeightRoles; ++r) {
      const auto role = static_cast<WeightRole>(r);
      const bool bias = role == WeightRole::kQueryBias || role == WeightRole::kKeyBias ||
                        role == WeightRole::kValueBias;
      const bool head_norm = role == WeightRole::kQueryNorm || role == WeightRole::kKeyNorm;
      if ((bias && !variant.biases) || (head_norm && !variant.head_norms) ||
          (role == WeightRole::kRopeFactors && !variant.factors) ||
          (role == WeightRole::kOutput && variant.tied)) {
        continue;
      }
      const auto shape = ShapeOf(config, role);
      const bool matrix = shape.size() == 2;
      const auto count = static_cast<size_t>(matrix ? shape[0] * shape[1] : shape[0]);
      for (int32_t layer = InfoOf(role).per_layer ? 0 : -1;
           layer < (InfoOf(role).per_layer ? config.layers : 0); ++layer) {
        auto tensor = RandomFloats(count, seed++, matrix ? 0.3f : 0.5f);
        if (!matrix && !bias) {
          for (float& x : tensor) x += 1.0f;  // norms and factors lie around 1
        }
        if (matrix && config.precision == Precision::kBfloat16) {
          for (float& x : tensor) x = FromBfloat16(ToBfloat16(x));
        }
        values[{role, layer}] = std::move(tensor);
      }
    }
  }

  const std::vector<float>* Find(WeightRole role, int32_t layer = -1) const {
    const auto found = values.find({role, layer});
    return found == values.end() ? nullptr : &found->second;
  }
};

inline std::shared_ptr<LlamaModel> MakeModel(const LlamaConfig& config, const Tensors& tensors) {
  auto model = std::make_shared<LlamaModel>(config);
  for (const auto& [key, values] : tensors.values) {
    const Status status =
        model->Set(key.first, key.second, values.data(), static_cast<int64_t>(values.size()));
    CHECK_EQ(status.message, "");
  }
  CHECK(model->Finish().empty());
  return model;
}

// Log probabilities of the token after each of `tokens`, in float64 and plain loops.
std::vector<std::vector<double>> Reference(const LlamaConfig& config, const Tensors& tensors,
                                           const std::vector<int32_t>& tokens, int64_t window = 0);

// One of the caches of this project for a small model.
struct CacheChoice {
  const char* name;
  bool paged;
  int32_t block_tokens;  // paged
  int32_t layout;        // contiguous: vattn_layout; paged: vattn_pool_layout
};
inline constexpr CacheChoice kCaches[] = {
    {"split", false, 0, VATTN_LAYOUT_SPLIT},
    {"interleaved", false, 0, VATTN_LAYOUT_INTERLEAVED},
    {"paged-1", true, 1, VATTN_POOL_NHD},
    {"paged-16", true, 16, VATTN_POOL_NHD},
    {"paged-8 published", true, 8, VATTN_POOL_PAGED_ATTENTION},
};

class TestCache {
 public:
  TestCache(const LlamaConfig& config, const CacheChoice& choice, int32_t dtype = VATTN_FLOAT16,
            int64_t max_length = 256) {
    vattn_cache_shape shape = {};
    shape.size = sizeof(shape);
    shape.layers = config.layers;
    shape.kv_heads = config.kv_heads;
    shape.head_dim = shape.value_head_dim = config.head_dim;
    shape.dtype = dtype;
    shape.max_sequences = 16;
    shape.max_length = max_length;
    ref_.size = sizeof(ref_);
    vattn_error error = {};
    error.size = sizeof(error);
    vattn_status status;
    if (choice.paged) {
      vattn_paged_options options = {};
      options.size = sizeof(options);
      options.shape = shape;
      options.device_type = VATTN_DEVICE_CPU;
      options.limit_bytes = 8 << 20;
      options.block_tokens = choice.block_tokens;
      options.pool_layout = choice.layout;
      status = vattn_paged_create(&options, &ref_, &error);
    } else {
      vattn_contiguous_options options = {};
      options.size = sizeof(options);
      options.shape = shape;
      options.device_type = VATTN_DEVICE_CPU;
      options.limit_bytes = 64 << 20;
      options.layout = choice.layout;
      status = vattn_contiguous_create(&options, &ref_, &error);
    }
    if (status != VATTN_OK) vattention::testing::Fail(__FILE__, __LINE__, error.message);
  }
  ~TestCache() { ref_.api->release(ref_.cache); }
  TestCache(const TestCache&) = delete;
  TestCache& operator=(const TestCache&) = delete;

  const vattn_cache_ref& ref() const { return ref_; }
  uint32_t Allocate() {
    uint32_t sequence = 0;
    CHECK_EQ(ref_.api->allocate(ref_.cache, &sequence, nullptr), VATTN_OK);
    return sequence;
  }
  void Step(uint32_t sequence, uint32_t length) {
    vattn_step_result result = {};
    result.size = sizeof(result);
    CHECK_EQ(ref_.api->step(ref_.cache, &sequence, &length, 1, &result, nullptr), VATTN_OK);
    CHECK_EQ(result.outcome, VATTN_STEP_OK);
  }
  void Free(uint32_t sequence) {
    CHECK_EQ(ref_.api->free(ref_.cache, sequence, nullptr, nullptr), VATTN_OK);
  }

 private:
  vattn_cache_ref ref_ = {};
};

// A piece of one sequence in a pass.
struct Piece {
  uint32_t sequence;
  std::vector<int32_t> tokens;
  uint32_t kv_length;
};

// Greedy, with all log probabilities of every sequence's last row.
inline ForwardBatch MakeBatch(const std::vector<Piece>& pieces, int32_t vocabulary) {
  ForwardBatch batch;
  for (const Piece& piece : pieces) {
    batch.sequences.push_back(piece.sequence);
    batch.query_lengths.push_back(static_cast<uint32_t>(piece.tokens.size()));
    batch.kv_lengths.push_back(piece.kv_length);
    batch.tokens.insert(batch.tokens.end(), piece.tokens.begin(), piece.tokens.end());
    if (piece.tokens.empty()) continue;
    batch.logit_rows.push_back(static_cast<uint32_t>(batch.tokens.size() - 1));
    batch.sampling.emplace_back();
    batch.sampling.back().top_logprobs = vocabulary;
  }
  return batch;
}

// A pass on the calling thread, with its cache.
class TestPass {
 public:
  TestPass(const LlamaModel& model, const CacheChoice& choice, int threads = kThreads,
           int32_t dtype = VATTN_FLOAT16, int32_t window = 0)
      : cache(model.config(), choice, dtype), vocabulary_(model.config().vocabulary_size) {
    PassOptions options;
    options.threads = threads;
    options.max_sequences = 8;
    options.max_tokens = 96;
    options.max_length = 256;
    options.window = window;
    const Status status =
        LlamaPass::Create(model, cache.ref(), *vattn_cpu_backend(), options, &pass);
    CHECK_EQ(status.message, "");
  }

  // Steps and runs. Row i of the result holds the log probabilities by token of pieces[i].
  std::vector<std::vector<float>> Run(const std::vector<Piece>& pieces) {
    for (const Piece& piece : pieces) cache.Step(piece.sequence, piece.kv_length);
    const ForwardBatch batch = MakeBatch(pieces, vocabulary_);
    ResolvedBatch resolved = pass->MakeResolvedBatch();
    CHECK_EQ(pass->Resolve(batch, &resolved).message, "");
    ForwardResult result;
    CHECK_EQ(pass->Run(batch, resolved, &result).message, "");
    std::vector<std::vector<float>> rows;
    for (const SampledToken& token : result.tokens) {
      std::vector<float> row(static_cast<size_t>(vocabulary_));
      CHECK_EQ(token.top.size(), row.size());
      for (const auto& [id, logprob] : token.top) row[static_cast<size_t>(id)] = logprob;
      CHECK_EQ(token.token, token.top[0].token);
      rows.push_back(std::move(row));
    }
    return rows;
  }

  TestCache cache;
  std::unique_ptr<LlamaPass> pass;

 private:
  int32_t vocabulary_;
};

inline std::vector<int32_t> RandomTokens(size_t count, uint64_t seed, int32_t vocabulary) {
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<int32_t>(UniformDouble(seed, i) * vocabulary));
  }
  return tokens;
}

}  // namespace vattention::ops::testing

#endif  // VATTENTION_NATIVE_TESTS_OPS_LLAMA_FIXTURE_H_
