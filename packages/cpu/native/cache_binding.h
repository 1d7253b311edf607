// A plan's hold on a native cache: a reference while it is prepared on it, the streams that it told
// the cache of, and where the batch's sequences lie.
#ifndef VATTENTION_CPU_ADDON_CACHE_BINDING_H_
#define VATTENTION_CPU_ADDON_CACHE_BINDING_H_

#include <cstdint>
#include <span>
#include <vector>

#include "vattention/attention.h"

namespace vattention::cpu_addon {

class CacheBinding {
 public:
  CacheBinding();
  ~CacheBinding() { Release(); }
  CacheBinding(const CacheBinding&) = delete;
  CacheBinding& operator=(const CacheBinding&) = delete;

  // Looks up the sequences and fills `view` and `batch` (its arrays live here; lengths are the
  // caller's). Changes nothing that Recheck and the streams see until Keep.
  vattn_status Resolve(const vattn_cache_ref& ref, std::span<const uint32_t> sequences,
                       vattn_cache_view* view, vattn_batch* batch, vattn_error* error);
  // Keeps the cache and the sequences that were resolved last: the pass is prepared. `stream` is
  // the one that the batch named; 0 is the calling thread.
  vattn_status Keep(const vattn_cache_ref& ref, std::span<const uint32_t> kv_length,
                    uint64_t stream, vattn_error* error);
  // Whether the kept sequences are still where they were, and as long: between prepare and run
  // JavaScript may have freed, truncated or slid them, or disposed the cache.
  vattn_status Recheck(vattn_error* error);

  // Around work on a thread of the plan, in the cache's eyes: pages leave only after it has ended.
  vattn_status BeginWork(vattn_error* error);
  void EndWork();  // any thread

  void Release();

 private:
  vattn_status Attach(const vattn_cache_ref& ref, uint64_t handle, vattn_error* error);
  void Detach(uint64_t handle);
  static vattn_stream Stream(uint64_t handle) { return {VATTN_DEVICE_CPU, 0, handle}; }

  vattn_cache_ref ref_{};  // api is nullptr: none
  uint64_t stream_ = 0;    // the batch's, attached
  bool working_ = false;   // timeline_ is attached
  vattn_timeline timeline_{};
  // Resolved, then kept.
  std::vector<uint32_t> slots_;
  std::vector<uint32_t> backed_;
  std::vector<uint32_t> first_kept_;
  std::vector<int32_t> table_;
  std::vector<uint32_t> resolving_;
  std::vector<uint32_t> sequences_;
  std::vector<uint32_t> kv_lengths_;
  std::vector<uint32_t> kept_slots_;
  std::vector<uint32_t> kept_first_;
};

}  // namespace vattention::cpu_addon

#endif  // VATTENTION_CPU_ADDON_CACHE_BINDING_H_
