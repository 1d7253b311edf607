// The sequences of a pass that one launch serves, and where their rows of query and output lie.
#ifndef VATTENTION_ATTENTION_CUDA_ROW_GROUP_H_
#define VATTENTION_ATTENTION_CUDA_ROW_GROUP_H_

#include <cstdint>
#include <functional>
#include <vector>

namespace vattention::attention::cuda {

// One sequence of a pass.
struct PassSequence {
  int32_t query;      // new tokens
  int32_t kv;         // tokens after the pass; 0: rows of zeros
  int32_t slot;       // contiguous
  int32_t first_row;  // of its rows among those of the pass
  int32_t backed;     // tokens that `step` backed: rows from kv to it are the caller's, NaN or not
};

// A prepared pass, on the host.
struct Pass {
  std::vector<PassSequence> sequences;  // a plan to be captured: padded with kv 0 and query 1
  int32_t rows;                         // of query and output
  int32_t max_query;
  int32_t max_kv;  // a plan to be captured: its fixed length
};

struct RowGroup {
  std::vector<int32_t> members;  // indices into Pass::sequences, ascending
  int32_t rows = 0;
  int32_t max_query = 0;
  int32_t max_kv = 0;  // a plan to be captured: its fixed length
  // Rows [first_row, first_row + rows) of the pass, in place; else they are gathered before the
  // launch and its output scattered after it.
  bool in_place = true;
  int32_t first_row = 0;

  // On the device, of each member:
  const int32_t* query_start = nullptr;  // [members + 1]: its first row in the group, then `rows`
  const int32_t* kv_length = nullptr;    // [members]
  const int32_t* slot = nullptr;         // [members]; contiguous
  const int32_t* block_table = nullptr;  // [members, block_table_stride]; paged
  int64_t block_table_stride = 0;
  const int32_t* row = nullptr;  // [rows]: the pass's row of each, when not in place

  int32_t count() const { return static_cast<int32_t>(members.size()); }
};

// All sequences in one group.
RowGroup WholePass(const Pass& pass);
// Those with one new token. Not in place when rows of others lie between theirs.
RowGroup DecodeRows(const Pass& pass);
// Those with more than one new token, in as many groups as there are runs of neighbouring rows.
// Sequences of length 0 are in none: a plan fills the rows of those that are in no group. Those
// that `apart` says so of are groups of their own.
std::vector<RowGroup> PrefillRuns(
    const Pass& pass, const std::function<bool(const PassSequence&)>& apart =
                          [](const PassSequence&) { return false; });

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_ROW_GROUP_H_
