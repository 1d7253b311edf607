// FlashInfer's prefill kernel for Hopper, in the style of FlashAttention-3: asynchronous matrix
// multiplication, and a page table read by copies of 16 bytes. It does not pack query heads and
// does not divide keys, so it is for prompts and chunks.
#ifndef VATTENTION_ATTENTION_FLASHINFER_HOPPER_H_
#define VATTENTION_ATTENTION_FLASHINFER_HOPPER_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "attention/flashinfer/launch.h"
#include "attention/flashinfer/tile_schedule.h"

namespace vattention::flashinfer {

// Which tile comes after which in each multiprocessor's thread block. On the device.
struct HopperSchedule {
  int32_t* work_start;   // [multiprocessors + 1]
  int32_t* head;         // [work]: query head
  int32_t* query_tile;   // [work]
  int32_t* query_start;  // [work], in rows
  int32_t* query_length;
  int32_t* page_start;  // [work], in pages
  int32_t* kv_length;
  int32_t* sequence;
};

// Whether a group can be served: schedules of all heads, of as many tiles as upstream makes those
// of.
bool FitsHopperSchedule(int64_t sequences, int64_t rows, int64_t head_dim);
// Bytes of `host` and `device` for a group of that size.
size_t HopperScheduleBytes(int64_t sequences, int64_t rows, int64_t query_heads, int64_t head_dim,
                           int64_t multiprocessors);

// FlashInfer's PrefillSM90Plan; `kv_length`: [sequences] on the host. Throws CudaError and
// upstream's exceptions, as does the launch.
HopperSchedule MakeHopperSchedule(const ScheduleInput& input, const int32_t* kv_length, bool causal,
                                  const ScheduleBuffers& buffers, cudaStream_t stream);

// Enqueues it. One file each is compiled from hopper.cu.in. Keys and values of equal strides, no
// window, no soft cap, no ALiBi.
template <int32_t kDtype, int32_t kHeadDim, bool kCausal>
void LaunchHopper(const Launch& launch, const HopperSchedule& schedule, cudaStream_t stream);

}  // namespace vattention::flashinfer

#endif  // VATTENTION_ATTENTION_FLASHINFER_HOPPER_H_
