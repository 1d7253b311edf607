#include "attention/cpu/append.h"

#include <algorithm>
#include <cstring>

#include "attention/cpu/problem.h"

namespace vattention::cpu {

namespace {

// One head of one row: dense, or cut into the pieces of the published layout.
void WriteHead(const Kernels& kernels, const char* from, int32_t from_dtype, const RowShape& shape,
               int32_t to_dtype, char* to) {
  if (shape.piece == shape.dim) {
    kernels.convert(from, from_dtype, to, to_dtype, shape.dim);
    return;
  }
  char dense[kMaxHeadDim * sizeof(float)];
  kernels.convert(from, from_dtype, dense, to_dtype, shape.dim);
  const size_t bytes = static_cast<size_t>(shape.piece) * ElementBytes(to_dtype);
  for (size_t piece = 0; piece * shape.piece < static_cast<size_t>(shape.dim); ++piece) {
    std::memcpy(to + piece * shape.piece_bytes, dense + piece * bytes, bytes);
  }
}

void WriteToken(const LayerRun& run, const vattn_tensor& from, int64_t row, const RowTensor& to,
                const SequenceRows& place, int32_t token) {
  const int32_t bytes = ElementBytes(from.dtype);
  const char* source = static_cast<const char*>(from.data) + row * from.stride[0] * bytes;
  char* target = TokenRow(to, place, token);
  for (int32_t head = 0; head < run.problem->shape.kv_heads; ++head) {
    WriteHead(*run.kernels, source + head * from.stride[1] * bytes, from.dtype, to.shape,
              run.problem->shape.dtype, target + head * to.shape.head_bytes);
  }
}

}  // namespace

int64_t AppendedBytes(const Problem& problem) {
  return static_cast<int64_t>(problem.shape.kv_heads) *
         (problem.shape.head_dim + problem.shape.value_head_dim) *
         ElementBytes(problem.shape.dtype);
}

void AppendRows(const LayerRun& run, const NewRows& rows, int64_t begin, int64_t end) {
  for (const ScheduledSequence& sequence : run.schedule->sequences()) {
    const int64_t first = std::max<int64_t>(begin, sequence.row);
    const int64_t last = std::min<int64_t>(end, sequence.row + sequence.query_length);
    if (sequence.kv_length == 0) continue;
    const SequenceRows place = RowsOf(run, sequence);
    const int32_t start = sequence.kv_length - sequence.query_length;
    for (int64_t row = first; row < last; ++row) {
      const auto token = static_cast<int32_t>(start + row - sequence.row);
      WriteToken(run, *rows.key, row, run.key, place, token);
      WriteToken(run, *rows.value, row, run.value, place, token);
    }
  }
}

}  // namespace vattention::cpu
