#include "attention/cuda/cache_scales.h"

#include <algorithm>
#include <limits>

#include "attention/common/error.h"

namespace vattention::attention::cuda {

namespace {

// Slots that have a row of scales.
int32_t SlotsOf(const vattn_tensor* scale) {
  return scale == nullptr || scale->shape[0] == 1 ? std::numeric_limits<int32_t>::max()
                                                  : static_cast<int32_t>(scale->shape[0]);
}

}  // namespace

CacheScales::CacheScales(const vattn_config& config)
    : query_(ScaleOf(config.query_scale)),
      key_(ScaleOf(config.key_scale)),
      value_(ScaleOf(config.value_scale)),
      slots_(std::min(
          {SlotsOf(config.query_scale), SlotsOf(config.key_scale), SlotsOf(config.value_scale)})) {}

vattn_status CacheScales::Check(const Pass& pass, vattn_error* error) const {
  for (const PassSequence& sequence : pass.sequences) {
    if (sequence.slot < slots_) continue;
    return Fail(error, VATTN_INVALID_ARGUMENT,
                "Scales of the cache: a row for each slot, or one for all, required, found %d rows "
                "and a sequence in slot %d.",
                slots_, sequence.slot);
  }
  return VATTN_OK;
}

}  // namespace vattention::attention::cuda
