#include "attention/common/config_check.h"

#include <algorithm>
#include <cmath>

#include "attention/common/error.h"

namespace vattention::attention {

namespace {

vattn_status CheckShape(const Support& support, const vattn_config& config, vattn_error* error) {
  const vattn_cache_shape& shape = config.shape;
  if (shape.layers < 1 || shape.kv_heads < 1 || shape.max_sequences < 1 || shape.max_length < 1) {
    return Fail(error, VATTN_INVALID_ARGUMENT,
                "Expected a cache of at least one layer, KV head, sequence and token, received "
                "%d layers, %d KV heads, %d sequences, %lld tokens.",
                shape.layers, shape.kv_heads, shape.max_sequences,
                static_cast<long long>(shape.max_length));
  }
  if (!support.head_dims(shape.head_dim, shape.value_head_dim)) {
    return Fail(error, VATTN_UNSUPPORTED, "Head dim: %s required, found %d and %d of the values.",
                support.head_dims_text, shape.head_dim, shape.value_head_dim);
  }
  if (!support.dtypes(config.dtype, shape.dtype)) {
    return Fail(error, VATTN_UNSUPPORTED,
                "Dtype: %s required, found query dtype %d and cache dtype %d.", support.dtypes_text,
                config.dtype, shape.dtype);
  }
  return VATTN_OK;
}

vattn_status CheckLimits(const Support& support, const vattn_limits& limits, vattn_error* error) {
  if (limits.max_sequences < 1 || limits.max_tokens < 1 || limits.max_length < 1 ||
      limits.max_length > kMaxLength) {
    return Fail(error, VATTN_INVALID_ARGUMENT,
                "Limits: at least one sequence and token and a length up to %lld required, found "
                "%d sequences, %d tokens, length %lld.",
                static_cast<long long>(kMaxLength), limits.max_sequences, limits.max_tokens,
                static_cast<long long>(limits.max_length));
  }
  if (limits.graph_sequences == 0) return VATTN_OK;
  if (!support.graphs) {
    return Fail(error, VATTN_UNSUPPORTED, "There are no CUDA graphs on the CPU: leave graph out.");
  }
  const int32_t most = std::min(limits.max_sequences, limits.max_tokens);
  if (limits.graph_sequences < 1 || limits.graph_sequences > most || limits.graph_max_length < 1 ||
      limits.graph_max_length > limits.max_length) {
    return Fail(error, VATTN_INVALID_ARGUMENT,
                "Graph: 1 to %d sequences and a length of 1 to %lld required, found %d sequences, "
                "length %lld.",
                most, static_cast<long long>(limits.max_length), limits.graph_sequences,
                static_cast<long long>(limits.graph_max_length));
  }
  return VATTN_OK;
}

vattn_status Lacks(const char* feature, vattn_error* error) {
  return Fail(error, VATTN_UNSUPPORTED, "This backend has no %s.", feature);
}

vattn_status CheckFeatures(const Support& support, const vattn_config& config, vattn_error* error) {
  if (config.query_heads < 1 || config.query_heads % config.shape.kv_heads != 0) {
    return Fail(error, VATTN_INVALID_ARGUMENT,
                "Query heads: a multiple of the cache's %d KV heads required, found %d.",
                config.shape.kv_heads, config.query_heads);
  }
  if (!std::isfinite(config.scale) || config.scale < 0) {
    return Fail(error, VATTN_INVALID_ARGUMENT,
                "Scale: a positive number, or 0 for the default, required, found %g.",
                static_cast<double>(config.scale));
  }
  if (config.window < 0) {
    return Fail(error, VATTN_INVALID_ARGUMENT, "Window: 0 (all) or more tokens required, found %d.",
                config.window);
  }
  if (!std::isfinite(config.soft_cap) || config.soft_cap < 0) {
    return Fail(error, VATTN_INVALID_ARGUMENT,
                "Soft cap: a positive number, or 0 for none, required, found %g.",
                static_cast<double>(config.soft_cap));
  }
  if (config.causal == 0 && !support.non_causal) return Lacks("attention without a mask", error);
  if (config.window > 0 && !support.window) return Lacks("sliding window", error);
  if (config.soft_cap > 0 && !support.soft_cap) return Lacks("soft cap", error);
  if (config.alibi_slopes != nullptr && !support.alibi) return Lacks("ALiBi", error);
  if (config.sinks != nullptr && !support.sinks) return Lacks("attention sinks", error);
  return VATTN_OK;
}

vattn_status CheckKind(const Support& support, const vattn_config& config, vattn_error* error) {
  if (config.cache_kind == VATTN_CONTIGUOUS) return VATTN_OK;
  if (config.cache_kind != VATTN_PAGED) {
    return Fail(error, VATTN_UNSUPPORTED, "Cache kind: contiguous or paged required, found %d.",
                config.cache_kind);
  }
  if (config.block_tokens < 1) {
    return Fail(error, VATTN_INVALID_ARGUMENT,
                "Block tokens: at least 1 required of a paged cache, found %d.",
                config.block_tokens);
  }
  if (!support.pool(config.pool_layout, config.block_tokens, config.shape.head_dim)) {
    return Fail(error, VATTN_UNSUPPORTED,
                "Pool layout: %s required, found layout %d with blocks of %d tokens.",
                support.pool_text, config.pool_layout, config.block_tokens);
  }
  return VATTN_OK;
}

vattn_status CheckViewTensor(const char* name, int layer, const Problem& problem,
                             const Device& device, const vattn_tensor& tensor, int32_t dim,
                             bool value, vattn_error* error) {
  const bool published =
      problem.cache_kind == VATTN_PAGED && problem.pool_layout == VATTN_POOL_PAGED_ATTENTION;
  const int64_t x = 16 / ElementBytes(problem.shape.dtype);
  const int64_t heads = problem.shape.kv_heads;
  const int64_t tokens =
      problem.cache_kind == VATTN_PAGED ? problem.block_tokens : problem.shape.max_length;
  bool fits = tensor.dtype == problem.shape.dtype && tensor.device_type == device.type &&
              tensor.device_index == device.index;
  if (!published) {
    fits = fits && tensor.rank == 4 && tensor.shape[1] >= tokens && tensor.shape[2] == heads &&
           tensor.shape[3] == dim && tensor.stride[3] == 1;
  } else if (value) {
    fits = fits && tensor.rank == 4 && tensor.shape[1] == heads && tensor.shape[2] == dim &&
           tensor.shape[3] == tokens && tensor.stride[3] == 1;
  } else {
    fits = fits && tensor.rank == 5 && tensor.shape[1] == heads && tensor.shape[2] == dim / x &&
           tensor.shape[3] == tokens && tensor.shape[4] == x && tensor.stride[4] == 1;
  }
  if (fits) return VATTN_OK;
  return Fail(
      error, VATTN_INVALID_ARGUMENT,
      "The cache's %s tensor of layer %d is not what the plan was made for: a tensor on device "
      "type %d, index %d, of dtype %d with %lld KV heads of dim %d in %s order and a last stride "
      "of 1 required.",
      name, layer, device.type, device.index, problem.shape.dtype, static_cast<long long>(heads),
      dim, published ? "PagedAttention" : "[slot or block, token, head, dim]");
}

}  // namespace

vattn_status CheckConfig(const Support& support, const vattn_config* config,
                         const vattn_limits* limits, Problem* problem, vattn_error* error) {
  if (config == nullptr || config->size < sizeof(vattn_config) || limits == nullptr ||
      limits->size < sizeof(vattn_limits)) {
    return Fail(error, VATTN_INVALID_ARGUMENT,
                "A configuration and limits of this ABI version (%u) are required.",
                VATTN_ABI_VERSION);
  }
  if (vattn_status status = CheckShape(support, *config, error)) return status;
  if (vattn_status status = CheckFeatures(support, *config, error)) return status;
  if (vattn_status status = CheckKind(support, *config, error)) return status;
  if (vattn_status status = CheckLimits(support, *limits, error)) return status;

  const size_t heads = static_cast<size_t>(config->query_heads);
  Problem made{};
  made.shape = config->shape;
  made.cache_kind = config->cache_kind;
  made.pool_layout = config->pool_layout;
  made.block_tokens = config->block_tokens;
  made.query_heads = config->query_heads;
  made.group = config->query_heads / config->shape.kv_heads;
  made.dtype = config->dtype;
  made.scale = config->scale != 0
                   ? config->scale
                   : static_cast<float>(1 / std::sqrt(static_cast<double>(config->shape.head_dim)));
  made.causal = config->causal != 0;
  made.window = config->window;
  made.soft_cap = config->soft_cap;
  if (config->alibi_slopes != nullptr) {
    made.alibi.assign(config->alibi_slopes, config->alibi_slopes + heads);
  }
  if (config->sinks != nullptr) made.sinks.assign(config->sinks, config->sinks + heads);
  made.needs_lse = config->needs_lse != 0;
  made.batch_invariant = config->batch_invariant != 0;
  made.max_sequences = limits->max_sequences;
  made.max_tokens = limits->max_tokens;
  made.max_length = limits->max_length;
  made.graph_sequences = limits->graph_sequences;
  made.graph_max_length = limits->graph_max_length;
  *problem = std::move(made);
  return VATTN_OK;
}

vattn_status CheckScales(const vattn_config& config, const Device& device, vattn_error* error) {
  const bool e4m3 = config.shape.dtype == VATTN_FLOAT8_E4M3;
  const struct {
    const char* name;
    const vattn_tensor* tensor;
    bool wanted;
  } scales[] = {
      {"query_scale", config.query_scale, e4m3},
      {"key_scale", config.key_scale, e4m3},
      {"value_scale", config.value_scale, e4m3},
  };
  for (const auto& [name, tensor, wanted] : scales) {
    if (tensor == nullptr) continue;
    if (!wanted) {
      return Fail(error, VATTN_INVALID_ARGUMENT,
                  "%s: none required where nothing is stored as float8_e4m3, found one.", name);
    }
    const bool fits = tensor->data != nullptr && tensor->dtype == VATTN_FLOAT32 &&
                      tensor->device_type == device.type && tensor->device_index == device.index &&
                      tensor->rank == 2 &&
                      (tensor->shape[0] == 1 || tensor->shape[0] == config.shape.max_sequences) &&
                      tensor->shape[1] == config.shape.kv_heads && tensor->stride[0] >= 0 &&
                      tensor->stride[1] >= 0;
    if (!fits) {
      return Fail(error, VATTN_INVALID_ARGUMENT,
                  "%s: float32 [1 or %d, %d] on device type %d, index %d, required.", name,
                  config.shape.max_sequences, config.shape.kv_heads, device.type, device.index);
    }
  }
  return VATTN_OK;
}

vattn_status CheckView(const Problem& problem, const Device& device, const vattn_cache_view* view,
                       vattn_error* error) {
  if (view == nullptr || view->size < sizeof(vattn_cache_view) || view->key == nullptr ||
      view->value == nullptr) {
    return Fail(error, VATTN_INVALID_ARGUMENT, "A cache view of ABI version %u is required.",
                VATTN_ABI_VERSION);
  }
  const vattn_cache_shape& have = view->shape;
  const vattn_cache_shape& want = problem.shape;
  if (view->kind != problem.cache_kind || have.layers != want.layers ||
      have.kv_heads != want.kv_heads || have.head_dim != want.head_dim ||
      have.value_head_dim != want.value_head_dim || have.dtype != want.dtype) {
    return Fail(error, VATTN_INVALID_ARGUMENT,
                "The plan was made for another cache: kind %d, %d layers, %d KV heads, dims %d/%d, "
                "dtype %d required, found kind %d, %d layers, %d KV heads, dims %d/%d, dtype %d.",
                problem.cache_kind, want.layers, want.kv_heads, want.head_dim, want.value_head_dim,
                want.dtype, view->kind, have.layers, have.kv_heads, have.head_dim,
                have.value_head_dim, have.dtype);
  }
  if (view->kind == VATTN_PAGED &&
      (view->pool_layout != problem.pool_layout || view->block_tokens != problem.block_tokens)) {
    return Fail(error, VATTN_INVALID_ARGUMENT,
                "The plan was made for another pool: layout %d with blocks of %d tokens required, "
                "found layout %d with blocks of %d.",
                problem.pool_layout, problem.block_tokens, view->pool_layout, view->block_tokens);
  }
  for (int32_t layer = 0; layer < want.layers; ++layer) {
    if (vattn_status status = CheckViewTensor("key", layer, problem, device, view->key[layer],
                                              want.head_dim, false, error)) {
      return status;
    }
    if (vattn_status status = CheckViewTensor("value", layer, problem, device, view->value[layer],
                                              want.value_head_dim, true, error)) {
      return status;
    }
  }
  return VATTN_OK;
}

}  // namespace vattention::attention
