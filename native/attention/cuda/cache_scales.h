// The scales of an e4m3 cache, as the plans over it keep them.
#ifndef VATTENTION_ATTENTION_CUDA_CACHE_SCALES_H_
#define VATTENTION_ATTENTION_CUDA_CACHE_SCALES_H_

#include <cstdint>

#include "attention/cuda/head_scale.h"
#include "attention/cuda/row_group.h"
#include "vattention/attention.h"

namespace vattention::attention::cuda {

class CacheScales {
 public:
  // Of a configuration whose scales have been checked.
  explicit CacheScales(const vattn_config& config);

  const HeadScale& query() const { return query_; }
  const HeadScale& key() const { return key_; }
  const HeadScale& value() const { return value_; }

  // Whether there is a row for the slot of every sequence, or one for all.
  vattn_status Check(const Pass& pass, vattn_error* error) const;

 private:
  HeadScale query_;
  HeadScale key_;
  HeadScale value_;
  int32_t slots_;  // that all have scales for
};

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_CACHE_SCALES_H_
