// The kernels of this build, by numbers that are known at run time. What was not built has been
// refused when the plan was made.
#ifndef VATTENTION_ATTENTION_FLASHINFER_DISPATCH_H_
#define VATTENTION_ATTENTION_FLASHINFER_DISPATCH_H_

#include <cuda_runtime_api.h>

#include <string>

#include "attention/flashinfer/hopper.h"
#include "attention/flashinfer/launch.h"
#include "attention/flashinfer/tile_schedule.h"

namespace vattention::flashinfer {

// Of the head dims that were asked for, those that FlashInfer merges partial results of.
bool ServesHeadDim(int32_t head_dim);
// "64,128"
std::string ServedHeadDims();
// Whether this build holds the kernels for Hopper.
bool HopperBuilt();

void EnqueuePrefill(const Launch& launch, const TileSchedule& schedule, cudaStream_t stream);
TileSchedule PlanDecode(int32_t dtype, const ScheduleInput& input, const ScheduleBuffers& buffers,
                        cudaStream_t stream);
void EnqueueDecode(const Launch& launch, const TileSchedule& schedule, cudaStream_t stream);
void EnqueueHopper(const Launch& launch, const HopperSchedule& schedule, cudaStream_t stream);

}  // namespace vattention::flashinfer

#endif  // VATTENTION_ATTENTION_FLASHINFER_DISPATCH_H_
