// Exact bytes per page state, counters and the latency histogram.
#ifndef VATTENTION_NATIVE_MEMORY_STATS_H_
#define VATTENTION_NATIVE_MEMORY_STATS_H_

#include "memory/cache_core.h"

namespace vattention::memory {

// See vattn_cache_stats. `with_use`: also what mapped bytes are used for, which walks the pages of
// live sequences under the lock; without, those fields are 0.
Status Stats(CacheCore* core, bool with_use, vattn_cache_stats* stats);

}  // namespace vattention::memory

#endif  // VATTENTION_NATIVE_MEMORY_STATS_H_
