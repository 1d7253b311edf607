#include "attention/flash_attention_3/kernel_choice.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

// Upstream's own numbers.
#include "heuristics.h"
#include "tile_size.h"

namespace vattention::flash_attention_3 {

using attention::ElementBytes;
using attention::Problem;
using attention::cuda::Pass;
using attention::cuda::PassSequence;
using attention::cuda::RowGroup;

namespace {

constexpr int32_t kMaxSplits = 128;
// Upstream's scheduler splits no sequence of a larger batch.
constexpr int32_t kMaxSplitSequences = 992;
// It plans for a little more work than there is.
constexpr double kSplitMargin = 1.1;
// Tiles per multiprocessor from which what is left of the last wave does not matter.
constexpr int64_t kWavesOfOwnLaunch = 4;

int32_t Divide(int64_t value, int64_t step) {
  return static_cast<int32_t>((value + step - 1) / step);
}

Tile TileOf(const Problem& problem, Mask mask, bool copies) {
  const int32_t dim = problem.shape.head_dim;
  const auto tile = tile_size_fwd_sm90(dim, dim, mask == Mask::kCausal, mask == Mask::kWindow,
                                       ElementBytes(problem.shape.dtype),
                                       /*v_colmajor=*/false, copies, problem.soft_cap > 0);
  return {std::get<0>(tile), std::get<1>(tile)};
}

// One row sees all keys, or a window that ends at itself: there is nothing for a causal mask to do.
Mask MaskOf(const Problem& problem, int32_t max_query, int32_t max_key) {
  const bool all = problem.window == 0 || (problem.window >= max_key && !problem.batch_invariant);
  if (!all) return Mask::kWindow;
  return problem.causal && max_query > 1 ? Mask::kCausal : Mask::kNone;
}

template <typename Holds>
bool All(const Pass& pass, const RowGroup& group, Holds&& holds) {
  return std::all_of(group.members.begin(), group.members.end(), [&](int32_t member) {
    return holds(pass.sequences[static_cast<size_t>(member)]);
  });
}

// Whether every row between a sequence's end and that of its last tile, or the longest sequence's
// end, where TMA stops, is readable and finite. Rows that are backed and not of the sequence are
// the caller's: they may hold anything.
bool SlotsReadable(const Pass& pass, const RowGroup& group, int32_t tile_keys, int32_t tail_rows) {
  return All(pass, group, [&](const PassSequence& sequence) {
    const int32_t tile_end = std::min(group.max_kv, Divide(sequence.kv, tile_keys) * tile_keys);
    const int32_t over = tile_end - sequence.kv;
    return over <= 0 || (sequence.kv == sequence.backed && over <= tail_rows);
  });
}

// The same for blocks, which tiles do not leave.
bool BlocksReadable(const Pass& pass, const RowGroup& group, int32_t tile_keys, bool finite_tail) {
  return All(pass, group, [&](const PassSequence& sequence) {
    return sequence.kv % tile_keys == 0 || (finite_tail && sequence.kv == sequence.backed);
  });
}

Keys KeysOf(const Problem& problem, const Pass& pass, const RowGroup& group,
            const Circumstances& circumstances, const Tile& tma) {
  if (group.max_query == 1 || group.max_kv == 0 || problem.batch_invariant) return Keys::kTable;
  if (problem.cache_kind == VATTN_PAGED) {
    const bool fits = problem.block_tokens % tma.keys == 0 &&
                      int64_t{group.max_query} * problem.group > tma.rows &&
                      BlocksReadable(pass, group, tma.keys, circumstances.finite_tail);
    return fits ? Keys::kTableByTma : Keys::kTable;
  }
  if (group.count() == 1) return Keys::kOneSlot;
  return SlotsReadable(pass, group, tma.keys, circumstances.tail_rows) ? Keys::kSlots
                                                                       : Keys::kTable;
}

// Upstream's rule, which takes the batch for one sequence: it gives a bound, below which the
// kernel's scheduler finds each sequence's own number.
int32_t SplitBound(const Problem& problem, const KernelChoice& kernel, int32_t max_query,
                   int32_t max_key, int32_t multiprocessors) {
  int64_t loaded = max_key;
  if (kernel.mask == Mask::kWindow) {
    loaded =
        std::min(loaded, int64_t{kernel.window_left} + kernel.window_right + 1 + kernel.tile.rows);
  }
  const int32_t row_tiles = Divide(int64_t{max_query} * problem.group, kernel.tile.rows);
  const int64_t head_bytes =
      int64_t{max_key} * 2 * problem.shape.head_dim * ElementBytes(problem.shape.dtype);
  return num_splits_heuristic(
      problem.shape.kv_heads * row_tiles, multiprocessors, Divide(loaded, kernel.tile.keys),
      row_tiles,
      static_cast<int>(std::min<int64_t>(head_bytes, std::numeric_limits<int32_t>::max())),
      kernel.mask != Mask::kNone, kMaxSplits);
}

// What the scheduler will give the longest sequence, when it has no bound: all work, spread evenly.
int32_t SplitsOfLongest(const Problem& problem, const Pass& pass, const RowGroup& group,
                        const Tile& tile, int32_t multiprocessors) {
  int64_t tiles = 0;
  int32_t longest = 0;
  for (const int32_t member : group.members) {
    const PassSequence& sequence = pass.sequences[static_cast<size_t>(member)];
    const int32_t key_tiles = Divide(sequence.kv, tile.keys);
    tiles += int64_t{key_tiles} * Divide(int64_t{sequence.query} * problem.group, tile.rows);
    longest = std::max(longest, key_tiles);
  }
  const double share = static_cast<double>(tiles) * problem.shape.kv_heads / multiprocessors;
  const auto tiles_each =
      std::max<int64_t>(1, static_cast<int64_t>(std::ceil(share * kSplitMargin)));
  return std::max(1, Divide(longest, tiles_each));
}

int32_t SplitsOf(const Problem& problem, const Pass& pass, const RowGroup& group,
                 const Circumstances& circumstances, const KernelChoice& kernel) {
  if (problem.batch_invariant || group.count() > kMaxSplitSequences) return 1;
  const int64_t room = circumstances.partial_rows / group.rows;
  if (room < 2) return 1;
  const int32_t multiprocessors = circumstances.multiprocessors;
  const int32_t bound = SplitBound(problem, kernel, group.max_query, group.max_kv, multiprocessors);
  const auto splits = static_cast<int32_t>(std::min<int64_t>(bound, room));
  if (splits <= 1 || circumstances.fixed || kernel.keys == Keys::kOneSlot) return splits;
  return std::min(splits, SplitsOfLongest(problem, pass, group, kernel.tile, multiprocessors));
}

bool Packs(const Problem& problem, const RowGroup& group, const KernelChoice& kernel) {
  if (kernel.splits > 1 || kernel.keys == Keys::kTable) return true;  // there are no other kernels
  if (problem.group == 1) return false;
  return should_pack_gqa(/*varlen_q=*/kernel.keys != Keys::kOneSlot, group.max_query, problem.group,
                         kernel.tile.rows);
}

}  // namespace

KernelChoice ChooseKernel(const Problem& problem, const Pass& pass, const RowGroup& group,
                          const Circumstances& circumstances) {
  KernelChoice kernel{};
  const int32_t max_key = std::max(1, group.max_kv);
  kernel.mask = MaskOf(problem, group.max_query, max_key);
  kernel.window_left = kernel.mask == Mask::kWindow ? problem.window - 1 : max_key - 1;
  kernel.window_right = problem.causal ? 0 : group.max_query - 1;
  kernel.keys =
      KeysOf(problem, pass, group, circumstances, TileOf(problem, kernel.mask, /*copies=*/false));
  kernel.tile = TileOf(problem, kernel.mask, kernel.keys == Keys::kTable);
  kernel.splits = SplitsOf(problem, pass, group, circumstances, kernel);
  kernel.packed = Packs(problem, group, kernel);
  return kernel;
}

bool FillsDevice(const Problem& problem, int32_t query, int32_t multiprocessors) {
  const Tile tile = TileOf(problem, Mask::kCausal, /*copies=*/false);
  return int64_t{Divide(query, tile.rows)} * problem.query_heads >=
         kWavesOfOwnLaunch * multiprocessors;
}

int32_t MostSplits(const Problem& problem, int32_t multiprocessors) {
  if (problem.batch_invariant) return 1;
  const bool graph = problem.graph_sequences > 0;
  const auto longest = static_cast<int32_t>(graph ? problem.graph_max_length : problem.max_length);
  // Fewer rows leave more to split, and copies take the smallest tiles.
  KernelChoice kernel{};
  kernel.mask = MaskOf(problem, 1, longest);
  kernel.window_left = problem.window - 1;
  kernel.tile = TileOf(problem, kernel.mask, /*copies=*/true);
  return SplitBound(problem, kernel, 1, longest, multiprocessors);
}

}  // namespace vattention::flash_attention_3
