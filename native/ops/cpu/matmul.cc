#include "ops/cpu/matmul.h"

#include <algorithm>
#include <cstring>

#include "ops/cpu/bfloat16.h"
#include "ops/cpu/row_matmul.h"

namespace vattention::ops {
namespace {

// Up to here RowMatmul is the faster one beside AMX kernels: they cost the same 16 rows at least,
// and wait for memory.
constexpr int64_t kFewRows = 16;

// Row counts that are compared: those that kernels treat differently, and a full tile.
constexpr int64_t kComparedRows[] = {1, 2, 3, 5, 8, 16, 32};
constexpr int64_t kSampleRows = 64;

// Reproducible activations in [-1, 1), as `precision` holds them.
AlignedBuffer<std::byte> SampleActivations(int64_t inputs, Precision precision) {
  const size_t count = static_cast<size_t>(kSampleRows * inputs);
  AlignedBuffer<std::byte> result(count * ElementBytes(precision));
  uint32_t state = 1;
  for (size_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    const float value = static_cast<float>(static_cast<int32_t>(state)) * 0x1p-31f;
    if (precision == Precision::kBfloat16) {
      reinterpret_cast<uint16_t*>(result.data())[i] = ToBfloat16(value);
    } else {
      reinterpret_cast<float*>(result.data())[i] = value;
    }
  }
  return result;
}

}  // namespace

Matmul::Matmul(const WeightMatrix& sample, const Team& team)
    : team_(team),
      onednn_(sample.outputs(), sample.inputs(), sample.precision()),
      scratch_stride_((RowMatmulScratch(sample.inputs()) + 15) / 16 * 16),
      scratch_(scratch_stride_ * static_cast<size_t>(team.threads())),
      path_(Choose(sample)) {}

MatmulPath Matmul::Choose(const WeightMatrix& sample) {
  if (!onednn_.Prepare(kSampleRows)) return MatmulPath::kRows;
  const bool amx = onednn_.Implementation(kSampleRows).find("amx") != std::string::npos;

  const auto activations = SampleActivations(sample.inputs(), sample.precision());
  const size_t row_floats = static_cast<size_t>(sample.outputs());
  AlignedBuffer<float> expected(kSampleRows * row_floats);
  AlignedBuffer<float> found(kSampleRows * row_floats);
  const auto same = [&](int64_t rows) {
    return std::memcmp(expected.data(), found.data(),
                       static_cast<size_t>(rows) * row_floats * sizeof(float)) == 0;
  };
  onednn_.Run(sample, activations.data(), kSampleRows, expected.data());

  // Worth it where oneDNN waits for memory: with AMX, or where RowMatmul has less to read.
  if (amx || sample.compact().complete()) {
    RunRows(sample, activations.data(), 3, found.data());
    bool equal = same(3) && onednn_.Prepare(kFewRows + 1);
    if (equal) {
      onednn_.Run(sample, activations.data(), kFewRows + 1, found.data());
      equal = same(kFewRows + 1);
    }
    if (equal) return MatmulPath::kOneDnnAndRows;
  }
  for (const int64_t rows : kComparedRows) {
    if (!onednn_.Prepare(rows)) return MatmulPath::kRows;
    onednn_.Run(sample, activations.data(), rows, found.data());
    if (!same(rows)) return MatmulPath::kRows;
  }
  return MatmulPath::kOneDnn;
}

bool Matmul::UsesRows(int64_t rows) const {
  return path_ == MatmulPath::kRows || (path_ == MatmulPath::kOneDnnAndRows && rows <= kFewRows);
}

void Matmul::Prepare(int64_t rows) {
  if (!UsesRows(rows)) onednn_.Prepare(rows);
}

void Matmul::Run(const WeightMatrix& weights, const void* activations, int64_t rows,
                 float* output) {
  if (rows <= 0) return;
  if (UsesRows(rows)) {
    RunRows(weights, activations, rows, output);
  } else {
    onednn_.Run(weights, activations, rows, output);
  }
}

void Matmul::RunRows(const WeightMatrix& weights, const void* activations, int64_t rows,
                     float* output) {
  const int64_t units = (weights.outputs() + kRowMatmulUnit - 1) / kRowMatmulUnit;
  const size_t row_bytes =
      static_cast<size_t>(weights.inputs()) * ElementBytes(weights.precision());
  const int threads = team_.threads();
  team_.Run([&](int thread) {
    for (int64_t row = 0; row < rows; row += kRowMatmulRows) {
      RowMatmul({
          .weights = &weights,
          .compact = weights.compact().complete(),
          .activations = static_cast<const std::byte*>(activations) + row * row_bytes,
          .rows = std::min(kRowMatmulRows, rows - row),
          .output = output + row * weights.outputs(),
          .first_unit = units * thread / threads,
          .last_unit = units * (thread + 1) / threads,
          .scratch = scratch_.data() + static_cast<size_t>(thread) * scratch_stride_,
      });
    }
  });
}

}  // namespace vattention::ops
