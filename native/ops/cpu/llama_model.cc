#include "ops/cpu/llama_model.h"

#include <algorithm>
#include <cmath>
#include <thread>

#include "ops/cpu/bfloat16.h"
#include "ops/cpu/counter_random.h"
#include "ops/cpu/matmul.h"
#include "ops/cpu/weight_file.h"

namespace vattention::ops {
namespace {

std::string Describe(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  }
  return text + "]";
}

// Adds the tensor's name to a message.
Status Named(Status status, WeightRole role, int32_t layer) {
  if (!status.ok()) status.message = "Tensor " + TensorName(role, layer) + ": " + status.message;
  return status;
}

bool IsMatrix(const LlamaConfig& config, WeightRole role) {
  return ShapeOf(config, role).size() == 2;
}

}  // namespace

LlamaModel::LlamaModel(const LlamaConfig& config)
    : config_(config),
      loaded_(static_cast<size_t>(kWeightRoles) * static_cast<size_t>(config.layers + 1)),
      layers_(static_cast<size_t>(config.layers)) {}

Status LlamaModel::CheckRole(WeightRole role, int32_t layer) const {
  const RoleInfo& info = InfoOf(role);
  if (info.per_layer ? layer < 0 || layer >= config_.layers : layer != -1) {
    return Error(VATTN_INVALID_ARGUMENT, "Expected a layer of %s, received %d.",
                 info.per_layer ? ("0.." + std::to_string(config_.layers - 1)).c_str() : "-1",
                 layer);
  }
  if (role == WeightRole::kOutput && config_.tied_embeddings) {
    return Error(VATTN_INVALID_ARGUMENT,
                 "The model's embeddings are tied: its output is the embedding.");
  }
  return {};
}

size_t LlamaModel::LoadedIndex(WeightRole role, int32_t layer) const {
  return static_cast<size_t>(role) * static_cast<size_t>(config_.layers + 1) +
         static_cast<size_t>(layer < 0 ? config_.layers : layer);
}

Status LlamaModel::Claim(WeightRole role, int32_t layer) {
  const size_t index = LoadedIndex(role, layer);
  const std::lock_guard lock(mutex_);
  if (complete_) return Error(VATTN_BUSY, "Loading has ended: finish() was called.");
  if (loaded_[index]) return Error(VATTN_INVALID_ARGUMENT, "It was given before.");
  loaded_[index] = true;
  return {};
}

void LlamaModel::Unclaim(WeightRole role, int32_t layer) {
  const std::lock_guard lock(mutex_);
  loaded_[LoadedIndex(role, layer)] = false;
}

LlamaModel::MatrixTarget LlamaModel::MatrixFor(WeightRole role, int32_t layer) {
  LlamaLayer* l = layer >= 0 ? &layers_[static_cast<size_t>(layer)] : nullptr;
  WeightMatrix* matrix = nullptr;
  int64_t first = 0;
  int64_t outputs = ShapeOf(config_, role)[0];
  switch (role) {
    case WeightRole::kEmbedding:
    case WeightRole::kOutput:
      matrix = &output_;
      break;
    case WeightRole::kQuery:
    case WeightRole::kKey:
    case WeightRole::kValue:
      matrix = &l->qkv;
      outputs = config_.qkv_width();
      if (role != WeightRole::kQuery) first += config_.query_width();
      if (role == WeightRole::kValue) first += config_.kv_width();
      break;
    case WeightRole::kAttentionOutput:
      matrix = &l->attention_output;
      break;
    case WeightRole::kGate:
    case WeightRole::kUp:
      matrix = &l->gate_up;
      outputs = 2 * int64_t{config_.feed_forward_size};
      if (role == WeightRole::kUp) first = config_.feed_forward_size;
      break;
    case WeightRole::kDown:
      matrix = &l->down;
      break;
    default:
      throw InternalError("not a matrix");
  }
  const std::lock_guard lock(mutex_);
  if (matrix->bytes() == 0) {
    *matrix = WeightMatrix(outputs, ShapeOf(config_, role)[1], config_.precision,
                           PreferredCompactForm(config_.precision));
    Account(matrix->bytes());
  }
  return {matrix, first};
}

float* LlamaModel::VectorFor(WeightRole role, int32_t layer) {
  LlamaLayer* l = layer >= 0 ? &layers_[static_cast<size_t>(layer)] : nullptr;
  const auto size = static_cast<size_t>(ShapeOf(config_, role)[0]);
  const std::lock_guard lock(mutex_);
  const auto ensure = [&](std::vector<float>& values, size_t count) {
    if (values.empty()) {
      values.resize(count);
      Account(count * sizeof(float));
    }
    return values.data();
  };
  switch (role) {
    case WeightRole::kOutputNorm:
      return ensure(output_norm_, size);
    case WeightRole::kRopeFactors:
      return ensure(rope_factors_, size);
    case WeightRole::kAttentionNorm:
      return ensure(l->attention_norm, size);
    case WeightRole::kFeedForwardNorm:
      return ensure(l->feed_forward_norm, size);
    case WeightRole::kQueryNorm:
      return ensure(l->query_norm, size);
    case WeightRole::kKeyNorm:
      return ensure(l->key_norm, size);
    case WeightRole::kQueryBias:
    case WeightRole::kKeyBias:
    case WeightRole::kValueBias: {
      float* bias = ensure(l->qkv_bias, static_cast<size_t>(config_.qkv_width()));
      if (role != WeightRole::kQueryBias) bias += config_.query_width();
      if (role == WeightRole::kValueBias) bias += config_.kv_width();
      return bias;
    }
    default:
      throw InternalError("not a vector");
  }
}

Status LlamaModel::Load(const WeightSource& source) {
  const auto load = [&]() -> Status {
    VATTN_RETURN_IF_ERROR(CheckRole(source.role, source.layer));
    const std::vector<int64_t> shape = ShapeOf(config_, source.role);
    if (source.shape != shape) {
      return Error(VATTN_INVALID_ARGUMENT, "expected the shape %s, received %s.",
                   Describe(shape).c_str(), Describe(source.shape).c_str());
    }
    const StorageLayout& layout = LayoutOf(source.type);
    if (shape.back() % layout.block_elements != 0) {
      return Error(VATTN_INVALID_ARGUMENT,
                   "rows of %s must be whole blocks of %d elements, these have %lld.", layout.name,
                   layout.block_elements, static_cast<long long>(shape.back()));
    }
    VATTN_RETURN_IF_ERROR(Claim(source.role, source.layer));
    Status status = shape.size() == 2 ? LoadMatrix(source) : LoadVector(source);
    if (!status.ok()) Unclaim(source.role, source.layer);
    return status;
  };
  return Named(load(), source.role, source.layer);
}

Status LlamaModel::LoadMatrix(const WeightSource& source) {
  WeightFile file;
  VATTN_RETURN_IF_ERROR(file.Open(source.path));
  const int64_t rows = source.shape[0];
  const int64_t width = source.shape[1];
  const size_t row_bytes = StoredBytes(source.type, width);
  const bool embedding = source.role == WeightRole::kEmbedding;
  if (embedding) {
    embedding_ = EmbeddingTable(source.type, rows, width);
    Account(embedding_.bytes());
  }
  const bool packed = !embedding || config_.tied_embeddings;
  const MatrixTarget target = packed ? MatrixFor(source.role, source.layer) : MatrixTarget{};

  const bool compact = packed && target.matrix->compact().Supports(source.type, target.first, rows);
  if (compact) {
    const std::lock_guard lock(mutex_);
    Account(target.matrix->compact().Reserve(source.type, target.first, rows));
  }

  // A block of outputs at a time, so that what is packed stays in the cache.
  AlignedBuffer<std::byte> stored(embedding ? 0 : kBlockOutputs * row_bytes);
  AlignedBuffer<float> floats(packed ? static_cast<size_t>(kBlockOutputs * width) : 0);
  for (int64_t row = 0; row < rows; row += kBlockOutputs) {
    const int64_t count = std::min(kBlockOutputs, rows - row);
    std::byte* bytes = embedding ? embedding_.row(row) : stored.data();
    VATTN_RETURN_IF_ERROR(file.Read(source.offset + static_cast<uint64_t>(row) * row_bytes,
                                    static_cast<size_t>(count) * row_bytes, bytes));
    if (!packed) continue;
    Dequantize(source.type, bytes, count * width, floats.data());
    target.matrix->Pack(target.first + row, count, floats.data());
    if (compact) target.matrix->compact().Pack(source.type, target.first + row, count, bytes);
  }
  return {};
}

Status LlamaModel::LoadVector(const WeightSource& source) {
  WeightFile file;
  VATTN_RETURN_IF_ERROR(file.Open(source.path));
  const int64_t count = source.shape[0];
  AlignedBuffer<std::byte> stored(StoredBytes(source.type, count));
  VATTN_RETURN_IF_ERROR(file.Read(source.offset, stored.bytes(), stored.data()));
  Dequantize(source.type, stored.data(), count, VectorFor(source.role, source.layer));
  return {};
}

Status LlamaModel::Set(WeightRole role, int32_t layer, const float* values, int64_t count) {
  const auto set = [&]() -> Status {
    VATTN_RETURN_IF_ERROR(CheckRole(role, layer));
    const std::vector<int64_t> shape = ShapeOf(config_, role);
    const int64_t expected = shape.size() == 2 ? shape[0] * shape[1] : shape[0];
    if (count != expected) {
      return Error(VATTN_INVALID_ARGUMENT, "expected %lld values, received %lld.",
                   static_cast<long long>(expected), static_cast<long long>(count));
    }
    VATTN_RETURN_IF_ERROR(Claim(role, layer));
    if (shape.size() == 1) {
      std::copy(values, values + count, VectorFor(role, layer));
      return {};
    }
    const bool embedding = role == WeightRole::kEmbedding;
    if (embedding) {
      embedding_ = EmbeddingTable(StorageType::kF32, shape[0], shape[1]);
      Account(embedding_.bytes());
      std::copy(values, values + count, reinterpret_cast<float*>(embedding_.row(0)));
    }
    if (!embedding || config_.tied_embeddings) {
      const MatrixTarget target = MatrixFor(role, layer);
      target.matrix->Pack(target.first, shape[0], values);
    }
    return {};
  };
  return Named(set(), role, layer);
}

void LlamaModel::FillMatrix(WeightRole role, int32_t layer, uint64_t seed) {
  const std::vector<int64_t> shape = ShapeOf(config_, role);
  const int64_t width = shape[1];
  const bool embedding = role == WeightRole::kEmbedding;
  if (embedding) {
    embedding_ = EmbeddingTable(StorageType::kBF16, shape[0], width);
    Account(embedding_.bytes());
  }
  const bool packed = !embedding || config_.tied_embeddings;
  const MatrixTarget target = packed ? MatrixFor(role, layer) : MatrixTarget{};
  // Uniform in [-limit, limit) has a variance of limit^2 / 3.
  const float limit = std::sqrt(3.0f / static_cast<float>(width));
  const uint64_t tensor = seed + 0x9E3779B97F4A7C15u * (static_cast<uint64_t>(role) * 65536 +
                                                        static_cast<uint64_t>(layer + 1));
  AlignedBuffer<float> rows(static_cast<size_t>(kBlockOutputs * width));
  for (int64_t row = 0; row < shape[0]; row += kBlockOutputs) {
    const int64_t count = std::min(kBlockOutputs, shape[0] - row);
    const int64_t elements = count * width;
    for (int64_t i = 0; i < elements; i += 4) {
      const auto bits = Philox(tensor, static_cast<uint64_t>(row * width + i) / 4);
      for (int64_t j = 0; j < std::min<int64_t>(4, elements - i); ++j) {
        const auto value = static_cast<float>(static_cast<int32_t>(bits[static_cast<size_t>(j)]));
        rows[static_cast<size_t>(i + j)] = value * 0x1p-31f * limit;
      }
    }
    if (embedding) {
      auto* to = reinterpret_cast<uint16_t*>(embedding_.row(row));
      for (int64_t i = 0; i < elements; ++i) to[i] = ToBfloat16(rows[static_cast<size_t>(i)]);
    }
    if (packed) target.matrix->Pack(target.first + row, count, rows.data());
  }
}

Status LlamaModel::Fill(uint64_t seed) {
  struct Tensor {
    WeightRole role;
    int32_t layer;
  };
  std::vector<Tensor> matrices;
  for (int r = 0; r < kWeightRoles; ++r) {
    const auto role = static_cast<WeightRole>(r);
    const RoleInfo& info = InfoOf(role);
    if (!info.required && (role != WeightRole::kOutput || config_.tied_embeddings)) continue;
    for (int32_t layer = info.per_layer ? 0 : -1; layer < (info.per_layer ? config_.layers : 0);
         ++layer) {
      VATTN_RETURN_IF_ERROR(Named(Claim(role, layer), role, layer));
      if (IsMatrix(config_, role)) {
        matrices.push_back({role, layer});
      } else {
        std::fill_n(VectorFor(role, layer), ShapeOf(config_, role)[0], 1.0f);
      }
    }
  }
  std::atomic<size_t> next = 0;
  std::atomic<bool> out_of_memory = false;
  const auto work = [&] {
    try {
      for (size_t i = next++; i < matrices.size(); i = next++) {
        FillMatrix(matrices[i].role, matrices[i].layer, seed);
      }
    } catch (const std::bad_alloc&) {
      out_of_memory = true;
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < std::thread::hardware_concurrency(); ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  if (out_of_memory) {
    return Error(VATTN_OUT_OF_MEMORY,
                 "The weights do not fit into memory after %llu bytes of them.",
                 static_cast<unsigned long long>(bytes()));
  }
  return {};
}

std::vector<std::string> LlamaModel::Finish() {
  std::vector<std::string> missing;
  const std::lock_guard lock(mutex_);
  for (int r = 0; r < kWeightRoles; ++r) {
    const auto role = static_cast<WeightRole>(r);
    const RoleInfo& info = InfoOf(role);
    const auto loaded = [&](int32_t layer) -> bool { return loaded_[LoadedIndex(role, layer)]; };
    bool needed = info.required || (role == WeightRole::kOutput && !config_.tied_embeddings);
    for (int32_t layer = 0; layer < config_.layers; ++layer)
      needed |= info.per_layer && loaded(layer);
    if (!needed) continue;
    for (int32_t layer = info.per_layer ? 0 : -1; layer < (info.per_layer ? config_.layers : 0);
         ++layer) {
      if (!loaded(layer)) missing.push_back(TensorName(role, layer));
    }
  }
  complete_ = missing.empty();
  return missing;
}

}  // namespace vattention::ops
