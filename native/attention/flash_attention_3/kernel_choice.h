// Which of FlashAttention-3's kernels serves a group of rows, and in how many splits.
//
// Kernels that load keys by TMA are the fastest in prefill. They read to the end of a tile, past
// the end of a sequence, and a row that is not mapped there is a fault, one that holds NaN spoils
// the result (0 x NaN). Those that load through a page table by asynchronous copies stop at the
// last token, whatever lies behind it. So:
//
//   decoding rows        through a table (contiguous: of one page per slot, which is the slot's
//   index) one prompt or chunk  by TMA with its length as an argument: TMA itself stops there
//   (contiguous) several              by TMA where the cache promises readable and finite rows up
//   to the end of
//                        every tile, else through a table
//   paged                by TMA where a tile fits a block and there is work for it, else copies
//
// With batch_invariant everything goes through a table, in one split.
#ifndef VATTENTION_ATTENTION_FLASH_ATTENTION_3_KERNEL_CHOICE_H_
#define VATTENTION_ATTENTION_FLASH_ATTENTION_3_KERNEL_CHOICE_H_

#include <cstdint>

#include "attention/common/problem.h"
#include "attention/cuda/row_group.h"

namespace vattention::flash_attention_3 {

enum class Keys {
  kOneSlot,     // by TMA, of one sequence; nothing past its end is read
  kSlots,       // by TMA, of slots by index; to the end of a tile
  kTable,       // by copies, through a page table; nothing past the end is read
  kTableByTma,  // by TMA, through a page table; to the end of a tile
};

enum class Mask {
  kNone,
  kCausal,  // bottom-right aligned
  kWindow,
};

// Rows of query (of all heads of a KV head when packed) and keys that a thread block handles at
// once.
struct Tile {
  int32_t rows;
  int32_t keys;
};

struct KernelChoice {
  Keys keys;
  Mask mask;
  int32_t window_left;   // keys seen before a row's own position
  int32_t window_right;  // and after it
  Tile tile;
  bool packed;  // the query heads of a KV head share tiles
  int32_t splits;
};

// What a choice depends on besides the problem and the pass.
struct Circumstances {
  int32_t multiprocessors;
  int64_t partial_rows;  // room for splits x rows
  int32_t tail_rows;     // contiguous: readable and finite past each backed length
  bool finite_tail;      // paged: rows past the end inside the last block are finite
  bool fixed;            // of a graph: max_kv is its longest, actual lengths change
};

KernelChoice ChooseKernel(const attention::Problem& problem, const attention::cuda::Pass& pass,
                          const attention::cuda::RowGroup& group,
                          const Circumstances& circumstances);

// Whether a prompt alone keeps the device busy for long enough to have a launch of its own.
bool FillsDevice(const attention::Problem& problem, int32_t query, int32_t multiprocessors);

// The most splits that any pass within the problem's limits is served in; 1: none is split.
int32_t MostSplits(const attention::Problem& problem, int32_t multiprocessors);

}  // namespace vattention::flash_attention_3

#endif  // VATTENTION_ATTENTION_FLASH_ATTENTION_3_KERNEL_CHOICE_H_
