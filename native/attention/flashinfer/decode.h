// FlashInfer's decode kernel, which multiplies on CUDA cores: for one row of each sequence whose
// every query head has a KV head of its own.
#ifndef VATTENTION_ATTENTION_FLASHINFER_DECODE_H_
#define VATTENTION_ATTENTION_FLASHINFER_DECODE_H_

#include <cuda_runtime_api.h>

#include "attention/flashinfer/launch.h"
#include "attention/flashinfer/tile_schedule.h"

namespace vattention::flashinfer {

// What a multiprocessor can run at once of its thread blocks of 128 threads.
inline constexpr int32_t kDecodeBlocksPerMultiprocessor = 16;

// FlashInfer's DecodePlan; tile_rows, query_tile and merge_start are not filled. One file each is
// compiled from decode.cu.in. Both throw CudaError and upstream's exceptions.
template <int32_t kDtype, int32_t kHeadDim>
TileSchedule MakeDecodeSchedule(const ScheduleInput& input, const ScheduleBuffers& buffers,
                                cudaStream_t stream);
// Keys and values of equal strides, no window, no soft cap, no ALiBi.
template <int32_t kDtype, int32_t kHeadDim>
void LaunchDecode(const Launch& launch, const TileSchedule& schedule, cudaStream_t stream);

}  // namespace vattention::flashinfer

#endif  // VATTENTION_ATTENTION_FLASHINFER_DECODE_H_
