// The object behind a `vattn_cache*` of a contiguous cache: makes it, ends it, owns its parts.
#ifndef VATTENTION_NATIVE_MEMORY_CONTIGUOUS_CACHE_IMPL_H_
#define VATTENTION_NATIVE_MEMORY_CONTIGUOUS_CACHE_IMPL_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "memory/cache_core.h"
#include "memory/faulty_driver.h"
#include "memory/mapper.h"

namespace vattention::memory {

class ContiguousCache {
 public:
  // On the driver that the options name, wrapped by the faulty one if they ask for it.
  static Status Create(const vattn_contiguous_options& options,
                       std::unique_ptr<ContiguousCache>* cache);
  // On any driver.
  static Status CreateOn(std::unique_ptr<Driver> driver, const vattn_contiguous_options& options,
                         std::unique_ptr<ContiguousCache>* cache);
  ~ContiguousCache();
  ContiguousCache(const ContiguousCache&) = delete;
  ContiguousCache& operator=(const ContiguousCache&) = delete;

  static ContiguousCache* Of(vattn_cache* cache) {
    return reinterpret_cast<ContiguousCache*>(cache);
  }
  vattn_cache* handle() { return reinterpret_cast<vattn_cache*>(this); }

  void Retain() { references_.fetch_add(1, std::memory_order_relaxed); }
  // True when that was the last reference: delete it then.
  bool Release() { return references_.fetch_sub(1, std::memory_order_acq_rel) == 1; }

  // See vattn_contiguous_close. A driver error is reported and does not keep the cache open: a
  // second call tries again, and what still remains goes with the last reference.
  Status Close();

  CacheCore* core() { return &core_; }
  const LayerTensors& tensors() const { return tensors_; }
  // Both may be nullptr.
  Mapper* mapper() { return mapper_.get(); }
  FaultyDriver* faulty();

 private:
  ContiguousCache(CacheConfig config, Layout layout, std::unique_ptr<Driver> driver)
      : core_(std::move(config), std::move(layout), std::move(driver)) {}
  Status Start();
  Status GiveEverythingBack(Lock* lock);

  std::atomic<uint32_t> references_{1};
  CacheCore core_;
  LayerTensors tensors_;
  std::unique_ptr<Mapper> mapper_;  // never changes after Start
};

}  // namespace vattention::memory

#endif  // VATTENTION_NATIVE_MEMORY_CONTIGUOUS_CACHE_IMPL_H_
