#include "attention/flash_attention_2/splits.h"

#include <algorithm>
#include <cmath>

namespace vattention::flash_attention_2 {

namespace {

int32_t TilesPerSplit(int32_t tiles, int32_t splits) { return (tiles + splits - 1) / splits; }

// How full the waves of thread blocks are, on average.
double Fill(int64_t blocks, int32_t slots, int32_t splits) {
  const double waves = static_cast<double>(blocks * splits) / slots;
  return waves / std::ceil(waves);
}

}  // namespace

int32_t ChooseSplits(int64_t blocks, int32_t slots, int32_t tiles, int32_t most) {
  if (static_cast<double>(blocks) >= 0.8 * slots) return 1;
  const int32_t limit = std::min({most, kMaxSplits, slots, tiles});
  const auto changes = [&](int32_t splits) {
    return splits == 1 || TilesPerSplit(tiles, splits) != TilesPerSplit(tiles, splits - 1);
  };
  double best = 0;
  for (int32_t splits = 1; splits <= limit; ++splits) {
    if (changes(splits)) best = std::max(best, Fill(blocks, slots, splits));
  }
  for (int32_t splits = 1; splits <= limit; ++splits) {
    if (changes(splits) && Fill(blocks, slots, splits) >= 0.85 * best) return splits;
  }
  return 1;
}

}  // namespace vattention::flash_attention_2
