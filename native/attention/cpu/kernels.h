// The kernels: what is compiled once for each instruction set and chosen at run time.
//
// The unit of work is a *split*: the keys and values of kSplitTokens tokens at an absolute multiple
// of kSplitTokens, for some rows of query. A split's result (maximum, sum and weighted values of
// each row) is computed on its own and merged into the row's state, split after split in ascending
// order. Within it every row goes through the same operations in the same order whichever variant
// of a kernel handles it:
//
//   score    lane l of the vector sums the products of elements l, l + N, l + 2N... of the packed
//            row; pairs of neighbouring lanes are then added, and the pairs one after the other
//   maximum  exact in any order
//   sum      lane l sums the weights of tokens l, l + N... of the split, then the lanes are added
//   values   element by element, token by token, ascending, over the tokens that the row sees
//
// so a row's bits depend on what it sees and on the instruction set, and on nothing else. That is
// also why the split is a constant and not tuned to the batch.
#ifndef VATTENTION_ATTENTION_CPU_KERNELS_H_
#define VATTENTION_ATTENTION_CPU_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "attention/cpu/problem.h"

namespace vattention::cpu {

// 256: long enough that merging a split costs 1-2 % of computing it, short enough that one sequence
// of a thousand tokens keeps several threads busy. Results change with it.
inline constexpr int32_t kSplitTokens = 256;

// Packed rows are padded to a multiple of this: twice the lanes of the widest vector.
inline constexpr int32_t kPadElements = 32;

// The most query rows per KV head that share one pass over all KV heads; more are handled head by
// head (unit_task.h).
inline constexpr int32_t kSharedRows = 8;

// How the elements of one head of a K or V row lie in memory: `pieces` of consecutive elements, a
// constant distance apart. One piece of the whole dim, except in the published PagedAttention
// layout (K: 16 bytes, V: one element).
struct RowShape {
  int64_t head_bytes;   // between two KV heads
  int64_t piece_bytes;  // between two pieces
  int32_t piece;        // elements
  int32_t dim;          // elements
};

// The addresses of one split's rows.
struct SplitRows {
  int32_t base;                     // absolute token of index 0, a multiple of kSplitTokens
  int32_t first;                    // tokens [first, last) may be read, absolute
  int32_t last;                     //
  const char* key[kSplitTokens];    // KV head 0 of token base + i; valid in [first, last)
  const char* value[kSplitTokens];  //
};

// Rows of query that see the same KV heads of one sequence. A row is one token and one query head;
// rows of a KV head are ordered by token, then by query head.
struct QueryRows {
  int32_t head;        // first KV head
  int32_t heads;       // KV heads
  int32_t tokens;      //
  int32_t group;       // query heads per KV head
  int32_t position;    // absolute position of the first token
  const int32_t* lo;   // [tokens], ascending: token t sees the keys [lo, hi)
  const int32_t* hi;   // [tokens], ascending
  const float* query;  // [heads, tokens * group, key_pad], packed by PackQuery
};

// Softmax state of rows: maximum score, sum of exp(score - maximum), weighted sum of values.
struct State {
  float* maximum;  // [rows]; -Infinity: nothing seen
  float* sum;      // [rows]
  float* values;   // [rows, value_pad], packed like the values of the cache's dtype
};

// Scratch of one thread; sizes follow from the plan (scratch.h).
struct Scratch {
  float* scores;  // [heads * rows, kSplitTokens]
  float* keys;    // [2 * kMaxLanes, key_pad]: rows of a group of tokens, converted
  float* panel;   // [key_pad, 2 * kMaxLanes]: the same, transposed
  float* values;  // [kValueTokens, value_pad]
  // [kValueTokens, max(key_pad, value_pad)]: rows of a layout that scatters them, dense again, in
  // the cache's dtype.
  float* collected;
};
inline constexpr int32_t kMaxLanes = 16;
inline constexpr int32_t kValueTokens = 64;
static_assert(2 * kMaxLanes <= kValueTokens, "groups of keys fit `collected` too");

// A strided matrix of [rows, columns] elements of a dtype.
struct Rows2d {
  char* data;
  int64_t row_bytes;
  int32_t dtype;
};

struct Kernels {
  const char* target;

  // query[row, dim] -> packed[row, key_pad] in the order that scores of `cache_dtype` need.
  void (*pack_query)(const char* row, int32_t dtype, int32_t cache_dtype, int32_t dim, int32_t pad,
                     float* packed);
  // Attention of `rows` over one split, into `state`, which it overwrites. `next` may be null; its
  // first rows are fetched into the cache meanwhile.
  void (*attend)(const Problem& problem, const RowShape& key, const RowShape& value,
                 const QueryRows& rows, const SplitRows& split, const SplitRows* next,
                 const Scratch& scratch, const State& state);
  // state <- state merged with split, in this order, for `rows` rows.
  void (*merge)(int32_t rows, int32_t value_pad, const State& split, const State& state);
  // values / sum -> output row. `sum` 0 gives zeros.
  void (*store_output)(const float* values, float sum, int32_t cache_dtype, int32_t dim,
                       int32_t dtype, char* output);
  // exp(a - b), as `merge` computes it.
  float (*exp_difference)(float a, float b);
  // Copies `count` elements from one dtype to another; equal dtypes keep their bits.
  void (*convert)(const char* from, int32_t from_dtype, char* to, int32_t to_dtype, int32_t count);
  // output[e] = sum over i < count of weights[i] * partials[i][e], converted.
  void (*weigh)(const char* const* partials, const int32_t* dtypes, const float* weights,
                int32_t count, int32_t dim, int32_t dtype, char* output);
};

// The kernels for this machine.
const Kernels& GetKernels();

}  // namespace vattention::cpu

#endif  // VATTENTION_ATTENTION_CPU_KERNELS_H_
