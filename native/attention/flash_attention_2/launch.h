// One launch of FlashAttention-2's forward kernels: the form of upstream's parameters, without its
// headers, which no other file of ours sees.
#ifndef VATTENTION_ATTENTION_FLASH_ATTENTION_2_LAUNCH_H_
#define VATTENTION_ATTENTION_FLASH_ATTENTION_2_LAUNCH_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "attention/common/problem.h"
#include "attention/cuda/layer_call.h"

namespace vattention::flash_attention_2 {

using attention::cuda::RowTensor;

// Rows that a thread block of the split-KV kernels handles.
inline constexpr int32_t kSplitTileRows = 64;
// Keys that the split-KV kernels handle at once: no tile may straddle two blocks of a paged cache.
constexpr int32_t SplitTileKeys(int32_t head_dim) {
  return head_dim <= 64 ? 256 : head_dim <= 128 ? 128 : 64;
}

enum class KernelForm {
  kPlain,  // queries against keys [first key row of each sequence, + its length)
  kSplit,  // over slots by index or block tables, in any number of splits
};

struct Launch {
  KernelForm form;
  int32_t dtype;
  int32_t head_dim;
  int32_t query_heads;
  int32_t kv_heads;
  int32_t sequences;
  int32_t rows;       // of all sequences
  int32_t max_query;  // the grid
  int32_t max_key;    // splits are cut from it
  float scale;
  bool causal;         // bottom-right aligned
  int32_t window;      // tokens visible, self included; 0: all
  float soft_cap;      // 0: none
  const float* alibi;  // [query_heads], or NULL

  RowTensor query;
  RowTensor output;
  const void* key;
  const void* value;
  // In elements. slot: between slots or blocks; of no meaning to kPlain.
  int64_t key_slot_stride, key_row_stride, key_head_stride;
  int64_t value_slot_stride, value_row_stride, value_head_stride;

  // On the device. NULL: `rows` sequences of one row each.
  const int32_t* query_start;  // [sequences + 1]
  const int32_t* key_length;   // [sequences]
  const int32_t* key_start;    // kPlain: [sequences + 1], first key row of each
  const int32_t* slot;         // kSplit over slots: [sequences]
  const int32_t* block_table;  // kSplit over blocks: [sequences, block_table_stride]
  int64_t block_table_stride;
  int32_t block_tokens;

  int32_t splits;
  float* partial_output;  // [splits, sequences, query_heads, head_dim] when splits > 1
  float* partial_lse;     // [splits, sequences, query_heads] when splits > 1
  float* lse;
};

// Whether the kernels add slope * j instead of slope * (j - i).
bool ShiftsAlibi(const Launch& launch);

// Enqueues it. Throws CudaError.
void Enqueue(const Launch& launch, cudaStream_t stream);

// Where the log-sum-exps are after it.
attention::cuda::LseLayout LayoutOfLse(const Launch& launch);

}  // namespace vattention::flash_attention_2

#endif  // VATTENTION_ATTENTION_FLASH_ATTENTION_2_LAUNCH_H_
