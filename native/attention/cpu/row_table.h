// Where the tokens of a sequence lie in memory: the one place that tells cache kinds apart.
#ifndef VATTENTION_ATTENTION_CPU_ROW_TABLE_H_
#define VATTENTION_ATTENTION_CPU_ROW_TABLE_H_

#include <cstdint>

#include "attention/cpu/kernels.h"
#include "vattention/kv_cache.h"

namespace vattention::cpu {

// One of a layer's two tensors, in bytes.
struct RowTensor {
  char* data;
  int64_t slot_bytes;   // between slots, or blocks of a pool
  int64_t token_bytes;  // between the tokens of a slot or block
  RowShape shape;       // within a token
};

// `value`: V of the published layout lies differently from K.
RowTensor MakeRowTensor(const Problem& problem, const vattn_tensor& tensor, bool value);

// A sequence's place in the cache.
struct SequenceRows {
  int32_t slot;          // contiguous
  const int32_t* table;  // paged: block of tokens [i * block_tokens, ...); nullptr: contiguous
  int32_t block_tokens;  // paged
};

// The address of KV head 0 of a token.
inline char* TokenRow(const RowTensor& tensor, const SequenceRows& sequence, int32_t token) {
  if (sequence.table == nullptr) {
    return tensor.data + sequence.slot * tensor.slot_bytes + token * tensor.token_bytes;
  }
  const int32_t block = sequence.table[token / sequence.block_tokens];
  return tensor.data + block * tensor.slot_bytes +
         token % sequence.block_tokens * tensor.token_bytes;
}

// Fills the addresses of split number `split`, for the tokens in [first, last).
void FillSplitRows(const RowTensor& key, const RowTensor& value, const SequenceRows& sequence,
                   int32_t split, int32_t first, int32_t last, SplitRows* rows);

}  // namespace vattention::cpu

#endif  // VATTENTION_ATTENTION_CPU_ROW_TABLE_H_
