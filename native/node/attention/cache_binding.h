// A plan's hold on a native cache: a reference while it is prepared on it, the streams that it told
// the cache of, and where the batch's sequences lie.
#ifndef VATTENTION_NATIVE_NODE_ATTENTION_CACHE_BINDING_H_
#define VATTENTION_NATIVE_NODE_ATTENTION_CACHE_BINDING_H_

#include <cstdint>
#include <span>
#include <vector>

#include "vattention/attention.h"

namespace vattention::node {

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
  // Holds the cache, which `stream` is attached to from now on, and lets go of what was held
  // before. On a device the stream then waits for the cache's zeroing and copies.
  vattn_status Hold(const vattn_cache_ref& ref, vattn_stream stream, vattn_error* error);
  // Keeps the sequences that were resolved last: the pass is prepared.
  void Keep(std::span<const uint32_t> kv_length);
  // Whether the kept sequences are still where they were, and as long: between prepare and run
  // JavaScript may have freed, truncated or slid them, or disposed the cache. Costs nothing while
  // the cache says that nobody has.
  vattn_status Recheck(vattn_error* error);

  // Around work on a thread of the plan, in the cache's eyes: pages leave only after it has ended.
  vattn_status BeginWork(vattn_error* error);
  void EndWork();  // any thread

  void Release();

 private:
  vattn_stream Timeline() { return {VATTN_DEVICE_CPU, 0, reinterpret_cast<uint64_t>(&timeline_)}; }
  void Detach(vattn_stream stream);

  vattn_cache_ref ref_{};  // api is nullptr: none
  vattn_stream stream_{};  // the batch's, attached
  bool working_ = false;   // timeline_ is attached
  vattn_timeline timeline_{};
  // Resolved, then kept.
  uint64_t resolving_revision_ = 0;
  uint64_t kept_revision_ = 0;
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

}  // namespace vattention::node

#endif  // VATTENTION_NATIVE_NODE_ATTENTION_CACHE_BINDING_H_
