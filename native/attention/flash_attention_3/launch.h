// One launch of FlashAttention-3's forward kernels: the form of upstream's parameters, without its
// headers, which only launch.cc and kernel_choice.cc see.
#ifndef VATTENTION_ATTENTION_FLASH_ATTENTION_3_LAUNCH_H_
#define VATTENTION_ATTENTION_FLASH_ATTENTION_3_LAUNCH_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "attention/cuda/head_scale.h"
#include "attention/cuda/layer_call.h"
#include "attention/flash_attention_3/kernel_choice.h"

// What upstream's scheduler works out from the lengths is the same for all layers: 1 has it
// computed once per pass, 0 by every launch.
#ifndef VATTN_FLASH_ATTENTION_3_SCHEDULE_ONCE
#define VATTN_FLASH_ATTENTION_3_SCHEDULE_ONCE 1
#endif

namespace vattention::flash_attention_3 {

using attention::cuda::RowTensor;

inline constexpr bool kSchedulesOncePerPass = VATTN_FLASH_ATTENTION_3_SCHEDULE_ONCE != 0;

// What e4m3 numbers are multiplied with, [sequence, KV head] on the device, strides in elements.
// Without data: 1.
struct SequenceScale {
  const float* data;
  int64_t sequence_stride;
  int64_t head_stride;
};

struct Launch {
  KernelChoice kernel;
  int32_t dtype;  // of queries and cache; e4m3: outputs are bfloat16
  int32_t head_dim;
  int32_t query_heads;
  int32_t kv_heads;
  float scale;
  float soft_cap;  // 0: none
  int32_t multiprocessors;

  int32_t sequences;
  int32_t rows;  // of all sequences
  int32_t max_query;
  int32_t max_key;  // at least 1

  RowTensor query;
  RowTensor output;
  const void* key;  // kOneSlot: of its slot, else of slot or block 0
  const void* value;
  // In elements. slot: between slots or blocks.
  int64_t key_slot_stride, key_row_stride, key_head_stride;
  int64_t value_slot_stride, value_row_stride, value_head_stride;
  int32_t slots;  // slots or blocks in the cache

  // On the device.
  const int32_t* query_start;  // [sequences + 1]; NULL: max_query rows each
  const int32_t* key_length;   // [sequences]; kOneSlot: NULL, it is max_key
  const int32_t* slot;         // [sequences]; kSlots
  const int32_t* table;        // [sequences, table_stride]; kTable, kTableByTma
  int64_t table_stride;
  int32_t page_tokens;  // kTable, kTableByTma

  // Of the kernel's scheduler: ScheduleNumbers(sequences) int32 on the device, aligned to 16 bytes.
  int32_t* schedule;
  // Of e4m3.
  SequenceScale query_scale, key_scale, value_scale;
  // When there are several splits; each [splits, rows * query_heads (, head_dim)].
  float* partial_output;
  float* partial_lse;
  float* lse;
};

// How many numbers the scheduler keeps of a launch.
constexpr int32_t ScheduleNumbers(int32_t sequences) {
  constexpr int32_t kArrays = 4;
  constexpr int32_t kAligned = 4;  // numbers in 16 bytes
  return kArrays * ((sequences + kAligned - 1) / kAligned * kAligned) + kAligned;
}

// Enqueues what all layers' launches share, when kSchedulesOncePerPass; else does nothing. Throws
// CudaError.
void EnqueueSchedule(const Launch& launch, cudaStream_t stream);

// Enqueues attention. Throws CudaError.
void Enqueue(const Launch& launch, cudaStream_t stream);

// Where the log-sum-exps are after it.
attention::cuda::LseLayout LayoutOfLse(const Launch& launch);

}  // namespace vattention::flash_attention_3

#endif  // VATTENTION_ATTENTION_FLASH_ATTENTION_3_LAUNCH_H_
