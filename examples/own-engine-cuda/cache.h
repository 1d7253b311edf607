// The KV cache, by its table: what an engine does with it between passes.
#ifndef OWN_ENGINE_CACHE_H_
#define OWN_ENGINE_CACHE_H_

#include <cuda_runtime_api.h>

#include <cstdint>
#include <vector>

#include "vattention/attention.h"
#include "vattention/contiguous_cache.h"

namespace own_engine {

// A contiguous cache on the first GPU, whose kernels run on one stream. Throws Failure.
class Cache {
 public:
  // `limit_bytes`: physical memory it may hold.
  Cache(uint64_t limit_bytes, cudaStream_t stream);
  ~Cache();
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  const vattn_cache_view& view() const { return view_; }
  vattn_stream stream() const { return stream_; }

  vattn_sequence Allocate();
  // A sequence that shares the first `length` tokens of `source`.
  vattn_sequence Fork(vattn_sequence source, uint32_t length);
  void Free(vattn_sequence sequence);
  // Backs lengths[i] tokens of sequences[i], all or nothing. A full pool is an outcome and no
  // error.
  vattn_step_result Step(const std::vector<vattn_sequence>& sequences,
                         const std::vector<uint32_t>& lengths);
  // Where the sequences lie, for a batch.
  void Resolve(const std::vector<vattn_sequence>& sequences, std::vector<uint32_t>* slots,
               std::vector<uint32_t>* backed) const;
  vattn_cache_stats Stats() const;

 private:
  vattn_cache_ref ref_{sizeof(vattn_cache_ref), nullptr, nullptr};
  vattn_cache_view view_{};
  const vattn_stream stream_;
};

}  // namespace own_engine

#endif  // OWN_ENGINE_CACHE_H_
