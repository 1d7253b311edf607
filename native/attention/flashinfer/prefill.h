// FlashInfer's prefill kernel on tensor cores, in the style of FlashAttention-2. It serves any mix
// of lengths, and is the better decode kernel too where query heads share KV heads.
#ifndef VATTENTION_ATTENTION_FLASHINFER_PREFILL_H_
#define VATTENTION_ATTENTION_FLASHINFER_PREFILL_H_

#include <cuda_runtime_api.h>

#include "attention/flashinfer/launch.h"
#include "attention/flashinfer/tile_schedule.h"

namespace vattention::flashinfer {

// Enqueues it. One file each is compiled from prefill.cu.in. Throws CudaError and upstream's
// exceptions.
template <int32_t kDtype, int32_t kCacheDtype, int32_t kHeadDim, bool kCausal>
void LaunchPrefill(const Launch& launch, const TileSchedule& schedule, cudaStream_t stream);

}  // namespace vattention::flashinfer

#endif  // VATTENTION_ATTENTION_FLASHINFER_PREFILL_H_
