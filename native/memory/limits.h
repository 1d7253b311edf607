// Giving memory back at run time: limits and trimming.
#ifndef VATTENTION_NATIVE_MEMORY_LIMITS_H_
#define VATTENTION_NATIVE_MEMORY_LIMITS_H_

#include <cstdint>

#include "memory/cache_core.h"

namespace vattention::memory {

// See vattn_cache_api.set_limit. Free pages, then parked ones go until the limit holds; what live
// sequences map stays until they are freed. A driver error leaves the new limit in force: the
// mapper, or the next step, goes on giving back.
Status SetLimit(CacheCore* core, uint64_t bytes);

// See vattn_trim.
Status Trim(CacheCore* core, uint64_t keep_bytes, uint64_t* released_bytes);

// With the lock: gives free, then parked pages back until no more than `held_bytes` are held in
// all, as far as there are any. *released: how many bytes.
Status ShrinkTo(CacheCore* core, Lock* lock, uint64_t held_bytes, EventThread thread, Tally* tally,
                uint64_t* released);

}  // namespace vattention::memory

#endif  // VATTENTION_NATIVE_MEMORY_LIMITS_H_
