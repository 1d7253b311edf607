// How many parts of the keys are attended to at the same time.
#ifndef VATTENTION_ATTENTION_FLASH_ATTENTION_2_SPLITS_H_
#define VATTENTION_ATTENTION_FLASH_ATTENTION_2_SPLITS_H_

#include <cstdint>

namespace vattention::flash_attention_2 {

inline constexpr int32_t kMaxSplits = 128;

// The rule of flash-attention's num_splits_heuristic: 1 when `blocks` thread blocks fill 80 % of
// what runs at once (`slots`); else the fewest splits that come within 85 % of the best filled last
// wave. `tiles`: key tiles of the longest sequence; a number of splits that leaves the tiles per
// split as they were is not looked at. At most `most`.
int32_t ChooseSplits(int64_t blocks, int32_t slots, int32_t tiles, int32_t most);

}  // namespace vattention::flash_attention_2

#endif  // VATTENTION_ATTENTION_FLASH_ATTENTION_2_SPLITS_H_
