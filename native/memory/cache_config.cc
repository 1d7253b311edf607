#include "memory/cache_config.h"

#include <algorithm>
#include <limits>

#include "memory/sequence_handle.h"

namespace vattention::memory {
namespace {

constexpr uint64_t kMiB = 1024 * 1024;
constexpr uint64_t kLargestPage = 1024 * kMiB;  // page extents are kept in 32 bits
constexpr int64_t kMaxLength = (int64_t{1} << 31) - 1;
constexpr int32_t kMaxRows = 1 << 24;  // of tail and lead
constexpr int32_t kMaxTrace = 1 << 22;
constexpr uint32_t kDefaultAheadTokens = 256;
constexpr uint32_t kDefaultIdleSlots = 1;

Status CheckRange(const char* what, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return {};
  return Status::InvalidArgument("expected ", what, " from ", low, " to ", high, ", received ",
                                 value, ".");
}

Status CheckShape(const vattn_cache_shape& shape) {
  struct Field {
    const char* name;
    int64_t value;
    int64_t high;
  };
  const Field fields[] = {
      {"layers", shape.layers, 1 << 16},
      {"kv_heads", shape.kv_heads, 1 << 16},
      {"head_dim", shape.head_dim, 1 << 16},
      {"value_head_dim", shape.value_head_dim, 1 << 16},
      {"max_sequences", shape.max_sequences, SequenceHandles::kMaxSequences},
      {"max_length", shape.max_length, kMaxLength},
  };
  for (const Field& field : fields) {
    if (Status status = CheckRange(field.name, field.value, 1, field.high); !status.ok()) {
      return status;
    }
  }
  if (ElementBytes(shape.dtype) == 0) {
    return Status::InvalidArgument(
        "expected dtype float32, float16, bfloat16 or float8_e4m3, received ", shape.dtype, ".");
  }
  return {};
}

Status ResolveClasses(const vattn_contiguous_options& options, const DriverLimits& limits,
                      CacheConfig* config) {
  if (options.page_classes == 0) {
    config->page_classes = limits.page_classes;
  } else {
    if (Status status = CheckRange("page_classes", options.page_classes, 0, 8); !status.ok()) {
      return status;
    }
    config->page_classes.assign(options.page_bytes, options.page_bytes + options.page_classes);
  }
  const auto& classes = config->page_classes;
  for (size_t i = 0; i < classes.size(); ++i) {
    const uint64_t bytes = classes[i];
    if (bytes == 0 || bytes % limits.granularity != 0 || bytes > kLargestPage) {
      return Status::InvalidArgument("expected page sizes that are multiples of ",
                                     limits.granularity, " bytes up to ", kLargestPage,
                                     ", received ", bytes, ".");
    }
    if (i > 0 && (bytes <= classes[i - 1] || bytes % classes[0] != 0)) {
      return Status::InvalidArgument(
          "expected ascending page sizes that are multiples of the smallest (", classes[0],
          "), received ", bytes, " after ", classes[i - 1], ".");
    }
  }
  config->share_page_bytes = options.share_page_bytes == 0 ? std::max(2 * kMiB, classes.front())
                                                           : options.share_page_bytes;
  if (config->share_page_bytes < classes.front()) {
    return Status::InvalidArgument("expected share_page_bytes of at least the smallest page (",
                                   classes.front(), "), received ", config->share_page_bytes, ".");
  }
  // Any row may become part of a prefix later, and a page is shared whole.
  std::erase_if(config->page_classes,
                [&](uint64_t bytes) { return bytes > config->share_page_bytes; });
  return {};
}

}  // namespace

uint64_t ElementBytes(int32_t dtype) {
  switch (dtype) {
    case VATTN_FLOAT32:
      return 4;
    case VATTN_FLOAT16:
    case VATTN_BFLOAT16:
      return 2;
    case VATTN_FLOAT8_E4M3:
      return 1;
    default:
      return 0;
  }
}

Status ResolveConfig(const vattn_contiguous_options& options, const DriverLimits& limits,
                     CacheConfig* config) {
  if (Status status = CheckShape(options.shape); !status.ok()) return status;
  config->shape = options.shape;
  config->shape.size = sizeof(vattn_cache_shape);
  config->device_type = options.device_type;
  config->device_index = options.device_index;

  if (options.layout < VATTN_LAYOUT_INTERLEAVED || options.layout > VATTN_LAYOUT_SPLIT) {
    return Status::InvalidArgument("expected layout 0 (interleaved), 1 (layer group) or 2 (split),",
                                   " received ", options.layout, ".");
  }
  config->layout = options.layout;
  if (options.layout == VATTN_LAYOUT_LAYER_GROUP) {
    if (Status status = CheckRange("layer_group", options.layer_group, 1, options.shape.layers);
        !status.ok()) {
      return status;
    }
    config->layer_group = static_cast<uint32_t>(options.layer_group);
  }
  if (Status status = ResolveClasses(options, limits, config); !status.ok()) return status;

  if (options.limit_bytes < config->smallest()) {
    return Status::InvalidArgument("expected limit_bytes of at least one page (",
                                   config->smallest(), "), received ", options.limit_bytes, ".");
  }
  config->limit_bytes = std::min(options.limit_bytes, limits.memory_bytes);
  if (config->limit_bytes < config->smallest()) {
    return Status::Error(VATTN_OUT_OF_MEMORY, "the memory that this process may use (",
                         limits.memory_bytes, " bytes) is less than one page (", config->smallest(),
                         "); raise the control group's limit.");
  }

  const struct {
    const char* name;
    int32_t value;
    int32_t low;
    int32_t high;
  } numbers[] = {
      {"tail_rows", options.tail_rows, 0, kMaxRows},
      {"lead_rows", options.lead_rows, 0, kMaxRows},
      {"zero", options.zero, VATTN_ZERO_RECYCLED, VATTN_ZERO_NEW},
      {"ahead_tokens", options.ahead_tokens, 0, kMaxRows},
      {"idle_slots", options.idle_slots, -1, options.shape.max_sequences},
      {"trace_events", options.trace_events, 0, kMaxTrace},
  };
  for (const auto& number : numbers) {
    if (Status status = CheckRange(number.name, number.value, number.low, number.high);
        !status.ok()) {
      return status;
    }
  }
  config->tail_rows = static_cast<uint32_t>(options.tail_rows);
  config->lead_rows = static_cast<uint32_t>(options.lead_rows);
  config->zero_recycled = options.zero == VATTN_ZERO_RECYCLED;
  config->map_ahead = options.map_ahead != 0;
  if (config->map_ahead) {
    config->ahead_tokens = options.ahead_tokens == 0 ? kDefaultAheadTokens
                                                     : static_cast<uint32_t>(options.ahead_tokens);
    config->idle_slots = options.idle_slots == 0  ? kDefaultIdleSlots
                         : options.idle_slots < 0 ? 0
                                                  : static_cast<uint32_t>(options.idle_slots);
  }
  config->idle_bytes = options.idle_bytes;
  config->low_water_bytes = options.low_water_bytes;
  config->mapping_budget =
      options.mapping_budget == 0 ? limits.mapping_budget : options.mapping_budget;
  config->trace_events = static_cast<uint32_t>(options.trace_events);
  return {};
}

}  // namespace vattention::memory
