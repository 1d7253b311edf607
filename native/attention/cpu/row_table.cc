#include "attention/cpu/row_table.h"

#include <algorithm>

namespace vattention::cpu {

RowTensor MakeRowTensor(const Problem& problem, const vattn_tensor& tensor, bool value) {
  const int64_t bytes = ElementBytes(tensor.dtype);
  const int32_t dim = value ? problem.shape.value_head_dim : problem.shape.head_dim;
  RowTensor rows{};
  rows.data = static_cast<char*>(tensor.data);
  rows.slot_bytes = tensor.stride[0] * bytes;
  rows.shape.dim = dim;
  if (problem.cache_kind == VATTN_PAGED && problem.pool_layout == VATTN_POOL_PAGED_ATTENTION) {
    rows.shape.head_bytes = tensor.stride[1] * bytes;
    rows.shape.piece_bytes = tensor.stride[2] * bytes;
    rows.shape.piece = value ? 1 : static_cast<int32_t>(tensor.shape[4]);
    rows.token_bytes = tensor.stride[3] * bytes;
  } else {
    rows.token_bytes = tensor.stride[1] * bytes;
    rows.shape.head_bytes = tensor.stride[2] * bytes;
    rows.shape.piece_bytes = 0;
    rows.shape.piece = dim;
  }
  return rows;
}

namespace {

// Runs of neighbouring tokens: a contiguous slot is one run, a block table one per block.
void FillRun(const RowTensor& tensor, char* row, int32_t from, int32_t to, const char** rows) {
  for (int32_t i = from; i < to; ++i, row += tensor.token_bytes) rows[i] = row;
}

}  // namespace

void FillSplitRows(const RowTensor& key, const RowTensor& value, const SequenceRows& sequence,
                   int32_t split, int32_t first, int32_t last, SplitRows* rows) {
  rows->base = split * kSplitTokens;
  rows->first = std::max(first, rows->base);
  rows->last = std::min(last, rows->base + kSplitTokens);
  for (int32_t token = rows->first; token < rows->last;) {
    int32_t end = rows->last;
    if (sequence.table != nullptr) {
      end = std::min(end, (token / sequence.block_tokens + 1) * sequence.block_tokens);
    }
    const int32_t from = token - rows->base;
    FillRun(key, TokenRow(key, sequence, token), from, end - rows->base, rows->key);
    FillRun(value, TokenRow(value, sequence, token), from, end - rows->base, rows->value);
    token = end;
  }
}

}  // namespace vattention::cpu
