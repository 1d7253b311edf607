// Which sequence a row of a pass belongs to.
#ifndef VATTENTION_ATTENTION_CUDA_FIND_SEQUENCE_CUH_
#define VATTENTION_ATTENTION_CUDA_FIND_SEQUENCE_CUH_

#include <cstdint>

namespace vattention::attention::cuda {

// The last i with first[i] <= row. `first` has count + 1 ascending entries, first[count] > row.
__device__ inline int FindSequence(const int32_t* first, int count, int row) {
  int low = 0;
  int high = count;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (first[middle] <= row) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_FIND_SEQUENCE_CUH_
