// What a plan can be made for.
#ifndef VATTENTION_ATTENTION_COMMON_CONFIG_CHECK_H_
#define VATTENTION_ATTENTION_COMMON_CONFIG_CHECK_H_

#include "attention/common/problem.h"
#include "attention/common/tensor_check.h"
#include "vattention/attention.h"

namespace vattention::attention {

// Positions are 32-bit integers with room for differences.
inline constexpr int64_t kMaxLength = int64_t{1} << 30;

// What the kernels of a backend can do, and how that is told. The texts end the sentence
// "... required, found ...".
struct Support {
  bool (*head_dims)(int32_t key, int32_t value);
  const char* head_dims_text;  // "a multiple of 8 from 8 to 512"
  bool (*dtypes)(int32_t query, int32_t cache);
  const char* dtypes_text;
  // Of a paged cache; `head_dim` decides what fits a tile.
  bool (*pool)(int32_t pool_layout, int32_t block_tokens, int32_t head_dim);
  const char* pool_text;
  bool non_causal;
  bool window;
  bool soft_cap;
  bool alibi;
  bool sinks;
  bool graphs;
};

// Checks `config` and `limits` and fills `problem` from them. VATTN_INVALID_ARGUMENT for values
// that make no sense, VATTN_UNSUPPORTED for what the backend cannot do.
vattn_status CheckConfig(const Support& support, const vattn_config* config,
                         const vattn_limits* limits, Problem* problem, vattn_error* error);

// Whether the scales of an e4m3 cache are float32 [1 or slot, KV head] on `device`.
// VATTN_INVALID_ARGUMENT.
vattn_status CheckScales(const vattn_config& config, const Device& device, vattn_error* error);

// Whether a cache looks as the plan's configuration says.
vattn_status CheckView(const Problem& problem, const Device& device, const vattn_cache_view* view,
                       vattn_error* error);

}  // namespace vattention::attention

#endif  // VATTENTION_ATTENTION_COMMON_CONFIG_CHECK_H_
