#include "ops/cpu/llama_pass.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include "ops/cpu/rows.h"

namespace vattention::ops {
namespace {

// Logits are computed and sampled this many rows at a time: 64 rows of a vocabulary of 50,000 are
// 13 MB, and more rows make the product no faster.
constexpr int64_t kLogitRows = 64;

// Elements that a thread should have to do before it is worth waking it.
constexpr int64_t kGrainElements = 8192;

int64_t Grain(int64_t row_elements) {
  return std::max<int64_t>(1, kGrainElements / std::max<int64_t>(1, row_elements));
}

int64_t Now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Adds the time of its life to a counter.
class Stopwatch {
 public:
  explicit Stopwatch(int64_t* total) : total_(total), start_(Now()) {}
  ~Stopwatch() { *total_ += Now() - start_; }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  int64_t* total_;
  int64_t start_;
};

vattn_error NewError() {
  vattn_error error = {};
  error.size = sizeof(error);
  return error;
}

}  // namespace

LlamaPass::LlamaPass(const LlamaModel& model, const vattn_cache_ref& cache,
                     const vattn_backend& backend, const PassOptions& options)
    : model_(model),
      config_(model.config()),
      cache_(cache),
      backend_(backend),
      options_(options),
      team_(options.threads),
      rope_(config_.rope_style, config_.rope_dims, config_.rope_base, config_.rope_scale,
            model.rope_factors()),
      view_{} {}

LlamaPass::~LlamaPass() {
  if (plan_ != nullptr) backend_.plan_destroy(plan_);
}

Status LlamaPass::Create(const LlamaModel& model, const vattn_cache_ref& cache,
                         const vattn_backend& backend, const PassOptions& options,
                         std::unique_ptr<LlamaPass>* pass) {
  if (!model.complete()) {
    return Error(VATTN_INVALID_ARGUMENT,
                 "The model is not complete: load every tensor and call finish() first.");
  }
  std::unique_ptr<LlamaPass> made(new LlamaPass(model, cache, backend, options));
  made->team_.Bind();
  vattn_error error = NewError();
  made->view_.size = sizeof(made->view_);
  if (const vattn_status status = cache.api->view(cache.cache, &made->view_, &error)) {
    return FromRecord(status, error);
  }
  VATTN_RETURN_IF_ERROR(made->CheckCache());
  VATTN_RETURN_IF_ERROR(made->MakePlan());
  made->MakeBuffers();
  *pass = std::move(made);
  return {};
}

Status LlamaPass::CheckCache() const {
  const vattn_cache_shape& shape = view_.shape;
  const auto check = [](const char* what, int64_t expected, int64_t found) -> Status {
    if (expected == found) return {};
    return Error(VATTN_INVALID_ARGUMENT,
                 "The cache does not fit the model: expected %s %lld, received %lld.", what,
                 static_cast<long long>(expected), static_cast<long long>(found));
  };
  VATTN_RETURN_IF_ERROR(check("layers", config_.layers, shape.layers));
  VATTN_RETURN_IF_ERROR(check("kvHeads", config_.kv_heads, shape.kv_heads));
  VATTN_RETURN_IF_ERROR(check("headDim", config_.head_dim, shape.head_dim));
  VATTN_RETURN_IF_ERROR(check("valueHeadDim", config_.head_dim, shape.value_head_dim));
  if (view_.key[0].device_type != VATTN_DEVICE_CPU) {
    return Error(VATTN_UNSUPPORTED,
                 "This runner computes on the CPU and needs a cache in host memory.");
  }
  return {};
}

Status LlamaPass::MakePlan() {
  vattn_config config = {};
  config.size = sizeof(config);
  config.cache_kind = view_.kind;
  config.shape = view_.shape;
  config.pool_layout = view_.pool_layout;
  config.block_tokens = view_.block_tokens;
  config.query_heads = config_.query_heads;
  // Products leave float32, so attention takes and gives it; the cache has its own dtype.
  config.dtype = VATTN_FLOAT32;
  config.causal = 1;
  config.window = options_.window;
  config.soft_cap = options_.soft_cap;
  config.batch_invariant = 1;
  vattn_limits limits = {};
  limits.size = sizeof(limits);
  limits.max_sequences = options_.max_sequences;
  limits.max_tokens = options_.max_tokens;
  limits.max_length = options_.max_length;
  limits.threads = options_.threads;
  limits.executor = &team_.executor();
  vattn_error error = NewError();
  return FromRecord(backend_.plan_create(&config, &limits, &plan_, &error), error);
}

void LlamaPass::MakeBuffers() {
  const LlamaLayer& layer = model_.layer(0);
  qkv_ = std::make_unique<Matmul>(layer.qkv, team_);
  attention_output_ = std::make_unique<Matmul>(layer.attention_output, team_);
  gate_up_ = std::make_unique<Matmul>(layer.gate_up, team_);
  down_ = std::make_unique<Matmul>(layer.down, team_);
  output_ = std::make_unique<Matmul>(model_.output(), team_);
  for (Matmul* matmul : {qkv_.get(), attention_output_.get(), gate_up_.get(), down_.get()}) {
    matmul->Prepare(options_.max_tokens);
  }

  const auto rows = static_cast<size_t>(Matmul::RoundRows(options_.max_tokens));
  const auto logit_rows =
      static_cast<size_t>(Matmul::RoundRows(std::min<int64_t>(kLogitRows, options_.max_tokens)));
  const auto hidden = static_cast<size_t>(config_.hidden_size);
  const auto query = static_cast<size_t>(config_.query_width());
  const auto feed_forward = static_cast<size_t>(config_.feed_forward_size);
  const bool bf16 = config_.precision == Precision::kBfloat16;
  const size_t element = ElementBytes(config_.precision);
  residual_ = AlignedBuffer<float>(rows * hidden);
  normed_ = AlignedBuffer<std::byte>(rows * hidden * element);
  heads_ = AlignedBuffer<float>(rows * static_cast<size_t>(config_.qkv_width()));
  cosines_ = AlignedBuffer<float>(rows * static_cast<size_t>(rope_.pairs()));
  sines_ = AlignedBuffer<float>(cosines_.size());
  attended_ = AlignedBuffer<float>(rows * query);
  attended_product_ = AlignedBuffer<std::byte>(bf16 ? rows * query * element : 0);
  projected_ = AlignedBuffer<float>(rows * hidden);
  gates_ = AlignedBuffer<float>(rows * 2 * feed_forward);
  gated_ = AlignedBuffer<std::byte>(rows * feed_forward * element);
  logits_ = AlignedBuffer<float>(logit_rows * static_cast<size_t>(config_.vocabulary_size));
  positions_.reserve(rows);
  sampler_scratch_.resize(static_cast<size_t>(options_.threads));
  for (SamplerScratch& scratch : sampler_scratch_) {
    scratch.Reserve(static_cast<size_t>(config_.vocabulary_size));
  }
}

uint64_t LlamaPass::workspace_bytes() const {
  uint64_t bytes = residual_.bytes() + normed_.bytes() + heads_.bytes() + cosines_.bytes() +
                   sines_.bytes() + attended_.bytes() + attended_product_.bytes() +
                   projected_.bytes() + gates_.bytes() + gated_.bytes() + logits_.bytes();
  for (const auto* matmul : {&qkv_, &attention_output_, &gate_up_, &down_, &output_}) {
    bytes += (*matmul)->workspace_bytes();
  }
  return bytes + backend_.plan_workspace_bytes(plan_);
}

ResolvedBatch LlamaPass::MakeResolvedBatch() const {
  ResolvedBatch resolved;
  const auto count = static_cast<size_t>(options_.max_sequences);
  resolved.slot.resize(count);
  resolved.backed_length.resize(count);
  resolved.first_kept.resize(count);
  if (view_.kind == VATTN_PAGED) {
    resolved.block_table_stride = view_.max_blocks;
    resolved.block_table.resize(count * static_cast<size_t>(view_.max_blocks));
  }
  return resolved;
}

Status LlamaPass::Resolve(const ForwardBatch& batch, ResolvedBatch* resolved) const {
  const size_t count = batch.sequences.size();
  if (count > static_cast<size_t>(options_.max_sequences)) {
    return Error(VATTN_INVALID_ARGUMENT, "Expected at most %d sequences in a pass, received %zu.",
                 options_.max_sequences, count);
  }
  if (batch.query_lengths.size() != count || batch.kv_lengths.size() != count ||
      batch.sampling.size() != batch.logit_rows.size()) {
    return Error(VATTN_INVALID_ARGUMENT,
                 "Expected a query and a KV length for each sequence and sampling for each logit "
                 "row; the arrays differ in length.");
  }
  uint64_t rows = 0;
  for (size_t i = 0; i < count; ++i) {
    rows += batch.query_lengths[i];
    if (batch.query_lengths[i] > batch.kv_lengths[i] ||
        batch.kv_lengths[i] > static_cast<uint64_t>(options_.max_length)) {
      return Error(VATTN_INVALID_ARGUMENT,
                   "Sequence %zu of the pass: expected a KV length between its query length %u and "
                   "%lld, received %u.",
                   i, batch.query_lengths[i], static_cast<long long>(options_.max_length),
                   batch.kv_lengths[i]);
    }
  }
  if (rows != batch.tokens.size() || rows > static_cast<uint64_t>(options_.max_tokens)) {
    return Error(VATTN_INVALID_ARGUMENT,
                 "Expected as many tokens as the query lengths sum to (%llu) and at most %d, "
                 "received %zu.",
                 static_cast<unsigned long long>(rows), options_.max_tokens, batch.tokens.size());
  }
  for (size_t i = 0; i < batch.tokens.size(); ++i) {
    if (batch.tokens[i] < 0 || batch.tokens[i] >= config_.vocabulary_size) {
      return Error(VATTN_INVALID_ARGUMENT, "Token %zu: expected 0..%d, received %d.", i,
                   config_.vocabulary_size - 1, batch.tokens[i]);
    }
  }
  for (size_t i = 0; i < batch.logit_rows.size(); ++i) {
    if (batch.logit_rows[i] >= rows || (i > 0 && batch.logit_rows[i] <= batch.logit_rows[i - 1])) {
      return Error(VATTN_INVALID_ARGUMENT,
                   "Logit row %zu: expected ascending rows below %llu, received %u.", i,
                   static_cast<unsigned long long>(rows), batch.logit_rows[i]);
    }
  }
  vattn_rows target = {};
  target.size = sizeof(target);
  target.count = static_cast<int32_t>(count);
  target.slot = resolved->slot.data();
  target.backed_length = resolved->backed_length.data();
  target.first_kept = resolved->first_kept.data();
  if (view_.kind == VATTN_PAGED) {
    target.block_table = resolved->block_table.data();
    target.block_table_stride = resolved->block_table_stride;
  }
  vattn_error error = NewError();
  return FromRecord(cache_.api->resolve(cache_.cache, batch.sequences.data(),
                                        static_cast<int32_t>(count), &target, &error),
                    error);
}

Status LlamaPass::Run(const ForwardBatch& batch, const ResolvedBatch& resolved,
                      ForwardResult* result) {
  timings_ = {};
  *result = {};
  {
    const Stopwatch total(&timings_.total_ns);
    vattn_batch prepared = {};
    prepared.size = sizeof(prepared);
    prepared.count = static_cast<int32_t>(batch.sequences.size());
    prepared.query_length = batch.query_lengths.data();
    prepared.kv_length = batch.kv_lengths.data();
    prepared.slot = resolved.slot.data();
    prepared.backed_length = resolved.backed_length.data();
    prepared.first_kept = resolved.first_kept.data();
    if (view_.kind == VATTN_PAGED) {
      prepared.block_table = resolved.block_table.data();
      prepared.block_table_stride = resolved.block_table_stride;
    }
    vattn_stream stream = {};
    stream.device_type = VATTN_DEVICE_CPU;
    vattn_error error = NewError();
    if (const vattn_status status =
            backend_.plan_prepare(plan_, &view_, &prepared, stream, &error)) {
      return FromRecord(status, error);
    }
    auto rows = static_cast<int64_t>(batch.tokens.size());
    if (rows > 0) {
      Embed(batch);
      for (int32_t layer = 0; layer < config_.layers; ++layer) {
        VATTN_RETURN_IF_ERROR(RunLayer(batch, layer, &rows));
      }
    }
    SampleRows(batch, result);
  }
  result->timings = timings_;
  return {};
}

void LlamaPass::Multiply(Matmul* matmul, const WeightMatrix& weights, const void* activations,
                         int64_t rows, float* output) {
  const Stopwatch time(&timings_.matmul_ns);
  matmul->Run(weights, activations, rows, output);
}

void LlamaPass::Embed(const ForwardBatch& batch) {
  const int64_t hidden = config_.hidden_size;
  team_.Split(static_cast<int64_t>(batch.tokens.size()), Grain(hidden),
              [&](int64_t r, int64_t end) {
                for (; r < end; ++r) {
                  model_.embedding().Read(batch.tokens[static_cast<size_t>(r)],
                                          residual_.data() + r * hidden);
                }
              });
  // Angles once for all layers. Row by row, so that threads can share them out.
  const int64_t pairs = rope_.pairs();
  positions_.clear();
  for (size_t i = 0; i < batch.sequences.size(); ++i) {
    const int64_t first = int64_t{batch.kv_lengths[i]} - batch.query_lengths[i];
    for (int64_t r = 0; r < batch.query_lengths[i]; ++r) positions_.push_back(first + r);
  }
  team_.Split(static_cast<int64_t>(positions_.size()), Grain(16 * pairs),
              [&](int64_t r, int64_t end) {
                for (; r < end; ++r) {
                  rope_.Angles(positions_[static_cast<size_t>(r)], cosines_.data() + r * pairs,
                               sines_.data() + r * pairs);
                }
              });
  Normalize(model_.layer(0).attention_norm, static_cast<int64_t>(batch.tokens.size()));
}

void LlamaPass::Normalize(const std::vector<float>& weight, int64_t rows) {
  const int64_t hidden = config_.hidden_size;
  const auto stride = hidden * static_cast<int64_t>(ElementBytes(config_.precision));
  team_.Split(rows, Grain(hidden), [&](int64_t r, int64_t end) {
    for (; r < end; ++r) {
      RmsNorm(residual_.data() + r * hidden, weight.data(), hidden, config_.norm_epsilon,
              config_.precision, normed_.data() + r * stride);
    }
  });
}

void LlamaPass::AddAndNormalize(const float* delta, const std::vector<float>& weight,
                                int64_t rows) {
  const int64_t hidden = config_.hidden_size;
  const auto stride = hidden * static_cast<int64_t>(ElementBytes(config_.precision));
  team_.Split(rows, Grain(2 * hidden), [&](int64_t r, int64_t end) {
    for (; r < end; ++r) {
      float* row = residual_.data() + r * hidden;
      Add(delta + r * hidden, hidden, row);
      RmsNorm(row, weight.data(), hidden, config_.norm_epsilon, config_.precision,
              normed_.data() + r * stride);
    }
  });
}

void LlamaPass::AddResidual(const float* delta, int64_t rows) {
  const int64_t hidden = config_.hidden_size;
  team_.Split(rows, Grain(hidden), [&](int64_t r, int64_t end) {
    Add(delta + r * hidden, (end - r) * hidden, residual_.data() + r * hidden);
  });
}

// Bias, head norms and rotary embedding of the fused q/k/v rows, in place.
void LlamaPass::PrepareHeads(const LlamaLayer& layer, int64_t rows) {
  const int64_t width = config_.qkv_width();
  const int64_t dim = config_.head_dim;
  const int64_t pairs = rope_.pairs();
  const int64_t heads = config_.query_heads + config_.kv_heads;
  team_.Split(rows, Grain(2 * width), [&](int64_t r, int64_t end) {
    for (; r < end; ++r) {
      float* row = heads_.data() + r * width;
      if (!layer.qkv_bias.empty()) Add(layer.qkv_bias.data(), width, row);
      for (int64_t h = 0; h < heads; ++h) {
        float* head = row + h * dim;
        const auto& norm = h < config_.query_heads ? layer.query_norm : layer.key_norm;
        if (!norm.empty()) RmsNormFloat32(head, norm.data(), dim, config_.norm_epsilon, head);
        rope_.Rotate(cosines_.data() + r * pairs, sines_.data() + r * pairs, head);
      }
    }
  });
}

vattn_tensor LlamaPass::Heads(float* data, int64_t rows, int32_t heads, int64_t row_stride) const {
  vattn_tensor tensor = {};
  tensor.data = data;
  tensor.dtype = VATTN_FLOAT32;
  tensor.device_type = VATTN_DEVICE_CPU;
  tensor.rank = 3;
  tensor.shape[0] = rows;
  tensor.shape[1] = heads;
  tensor.shape[2] = config_.head_dim;
  tensor.stride[0] = row_stride;
  tensor.stride[1] = config_.head_dim;
  tensor.stride[2] = 1;
  return tensor;
}

Status LlamaPass::Attend(int32_t layer, int64_t rows) {
  const Stopwatch time(&timings_.attention_ns);
  const int64_t width = config_.qkv_width();
  float* data = heads_.data();
  const vattn_tensor q = Heads(data, rows, config_.query_heads, width);
  data += config_.query_width();
  const vattn_tensor k = Heads(data, rows, config_.kv_heads, width);
  data += config_.kv_width();
  const vattn_tensor v = Heads(data, rows, config_.kv_heads, width);
  const vattn_tensor out =
      Heads(attended_.data(), rows, config_.query_heads, config_.query_width());
  vattn_error error = NewError();
  return FromRecord(backend_.plan_run(plan_, layer, &q, &k, &v, &out, nullptr, &error), error);
}

void LlamaPass::KeepLogitRows(const ForwardBatch& batch) {
  const int64_t hidden = config_.hidden_size;
  const int64_t query = config_.query_width();
  for (size_t i = 0; i < batch.logit_rows.size(); ++i) {
    const auto from = static_cast<int64_t>(batch.logit_rows[i]);
    const auto to = static_cast<int64_t>(i);
    if (from == to) continue;
    std::copy_n(residual_.data() + from * hidden, hidden, residual_.data() + to * hidden);
    std::copy_n(attended_.data() + from * query, query, attended_.data() + to * query);
  }
}

Status LlamaPass::RunLayer(const ForwardBatch& batch, int32_t index, int64_t* rows) {
  const LlamaLayer& layer = model_.layer(index);
  Multiply(qkv_.get(), layer.qkv, normed_.data(), *rows, heads_.data());
  PrepareHeads(layer, *rows);
  VATTN_RETURN_IF_ERROR(Attend(index, *rows));
  const bool last = index + 1 == config_.layers;
  if (last) {
    KeepLogitRows(batch);
    *rows = static_cast<int64_t>(batch.logit_rows.size());
  }

  const bool bf16 = config_.precision == Precision::kBfloat16;
  const int64_t query = config_.query_width();
  if (bf16) {
    team_.Split(*rows, Grain(query), [&](int64_t r, int64_t end) {
      RoundToBfloat16(attended_.data() + r * query, (end - r) * query,
                      reinterpret_cast<uint16_t*>(attended_product_.data()) + r * query);
    });
  }
  const void* attended = bf16 ? static_cast<const void*>(attended_product_.data())
                              : static_cast<const void*>(attended_.data());
  Multiply(attention_output_.get(), layer.attention_output, attended, *rows, projected_.data());
  AddAndNormalize(projected_.data(), layer.feed_forward_norm, *rows);

  Multiply(gate_up_.get(), layer.gate_up, normed_.data(), *rows, gates_.data());
  const int64_t feed_forward = config_.feed_forward_size;
  const auto stride = feed_forward * static_cast<int64_t>(ElementBytes(config_.precision));
  team_.Split(*rows, Grain(8 * feed_forward), [&](int64_t r, int64_t end) {
    for (; r < end; ++r) {
      const float* gate = gates_.data() + r * 2 * feed_forward;
      SiluMultiply(gate, gate + feed_forward, feed_forward, config_.precision,
                   gated_.data() + r * stride);
    }
  });
  Multiply(down_.get(), layer.down, gated_.data(), *rows, projected_.data());
  if (last) {
    AddResidual(projected_.data(), *rows);
  } else {
    AddAndNormalize(projected_.data(), model_.layer(index + 1).attention_norm, *rows);
  }
  return {};
}

void LlamaPass::SampleRows(const ForwardBatch& batch, ForwardResult* result) {
  const auto count = static_cast<int64_t>(batch.logit_rows.size());
  const int64_t vocabulary = config_.vocabulary_size;
  const auto stride = config_.hidden_size * static_cast<int64_t>(ElementBytes(config_.precision));
  result->tokens.resize(static_cast<size_t>(count));
  Normalize(model_.output_norm(), count);
  for (int64_t first = 0; first < count; first += kLogitRows) {
    const int64_t rows = std::min(kLogitRows, count - first);
    Multiply(output_.get(), model_.output(), normed_.data() + first * stride, rows, logits_.data());
    const Stopwatch time(&timings_.sampling_ns);
    std::atomic<int64_t> next = 0;
    const auto sample = [&](int thread) {
      for (int64_t r = next++; r < rows; r = next++) {
        const auto row = static_cast<size_t>(first + r);
        result->tokens[row] =
            Sample(logits_.data() + r * vocabulary, vocabulary, batch.sampling[row],
                   &sampler_scratch_[static_cast<size_t>(thread)]);
      }
    };
    if (rows > 1) {
      team_.Run(sample);
    } else {
      sample(0);
    }
  }
}

}  // namespace vattention::ops
