// The options of a contiguous cache, checked and with every default filled in.
#ifndef VATTENTION_NATIVE_MEMORY_CACHE_CONFIG_H_
#define VATTENTION_NATIVE_MEMORY_CACHE_CONFIG_H_

#include <cstdint>
#include <vector>

#include "memory/driver.h"
#include "memory/status.h"
#include "vattention/contiguous_cache.h"

namespace vattention::memory {

struct CacheConfig {
  vattn_cache_shape shape{};
  int32_t device_type = 0;
  int32_t device_index = 0;
  uint64_t limit_bytes = 0;
  int32_t layout = 0;                  // vattn_layout
  uint32_t layer_group = 0;            // layers per tensor, group layout only
  std::vector<uint64_t> page_classes;  // ascending, multiples of the first
  uint64_t share_page_bytes = 0;       // classes above are not used: every row may become a prefix
  uint32_t tail_rows = 0;
  uint32_t lead_rows = 0;
  bool zero_recycled = true;  // false: adopted rows keep old data
  bool map_ahead = false;     // whether there is a mapper
  uint32_t ahead_tokens = 0;  // 0 without a mapper
  uint32_t idle_slots = 0;
  uint64_t idle_bytes = 0;       // per idle slot; 0: four smallest pages a tensor
  uint64_t low_water_bytes = 0;  // 0: four smallest pages a tensor, at most an eighth of the limit
  uint64_t mapping_budget = 0;
  uint32_t trace_events = 0;

  uint64_t smallest() const { return page_classes.front(); }
  // Classes that the cache creates pages of: those up to share_page_bytes.
  uint64_t largest() const { return page_classes.back(); }
};

// `limits`: of the driver; of its defaults when only the geometry is asked for.
// Errors: VATTN_INVALID_ARGUMENT, VATTN_UNSUPPORTED.
Status ResolveConfig(const vattn_contiguous_options& options, const DriverLimits& limits,
                     CacheConfig* config);

uint64_t ElementBytes(int32_t dtype);  // 0: not an element type of a cache

}  // namespace vattention::memory

#endif  // VATTENTION_NATIVE_MEMORY_CACHE_CONFIG_H_
