// Where a new row goes in a cache.
#ifndef VATTENTION_ATTENTION_CUDA_APPEND_PLACE_CUH_
#define VATTENTION_ATTENTION_CUDA_APPEND_PLACE_CUH_

#include <cstdint>

#include "attention/cuda/append.h"
#include "attention/cuda/find_sequence.cuh"

namespace vattention::attention::cuda {

struct AppendPlace {
  int64_t slot;   // or block
  int64_t token;  // within it
  int32_t scale_slot;
  bool wanted;  // false: the row is left out, and nothing else is set
};

__device__ inline AppendPlace PlaceOf(const AppendArguments& a, int row) {
  AppendPlace place{};
  const int sequence = FindSequence(a.first_row, a.sequences, row);
  const int kv = a.kv_length[sequence];
  place.wanted = kv > 0;
  if (!place.wanted) return place;
  // The last row of a sequence is its last token.
  const int token = kv - a.first_row[sequence + 1] + row;
  place.scale_slot = a.scale_slot[sequence];
  if (a.table == nullptr) {
    place.slot = a.slot[sequence];
    place.token = token;
  } else {
    place.slot = a.table[a.slot[sequence] * a.table_stride + token / a.block_tokens];
    place.token = token % a.block_tokens;
  }
  return place;
}

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_APPEND_PLACE_CUH_
