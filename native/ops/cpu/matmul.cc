#include "ops/cpu/matmul.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "ops/cpu/bfloat16.h"
#include "ops/cpu/row_matmul.h"
#include "ops/cpu/tile_matmul.h"

namespace vattention::ops {
namespace {

// Up to here RowMatmul is the faster one where weights are not packed for tiles (TileMatmul:
// kTileMatmulRows): oneDNN's AMX kernels cost the same 16 rows at least, and wait for memory.
constexpr int64_t kFewRows = 16;

// Row counts that are compared: those that kernels treat differently, and a full tile.
constexpr int64_t kComparedRows[] = {1, 2, 3, 5, 8, 16, 32};
constexpr int64_t kSampleRows = 64;

size_t ScratchBytes(int64_t inputs) {
  constexpr size_t kLine = 64;
  const size_t bytes =
      std::max(RowMatmulScratch(inputs) * sizeof(float), TileMatmulScratch(inputs));
  return (bytes + kLine - 1) / kLine * kLine;
}

bool ReadsTiles(const WeightMatrix& weights) {
  return weights.compact().complete() && weights.compact().form() == CompactForm::kTiles;
}

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

CompactForm PreferredCompactForm(Precision precision) {
  return precision == Precision::kBfloat16 && OneDnnHasAmx() && TilesAvailable()
             ? CompactForm::kTiles
             : CompactForm::kVectors;
}

Matmul::Matmul(const WeightMatrix& sample, const Team& team)
    : team_(team),
      onednn_(sample.outputs(), sample.inputs(), sample.precision()),
      tiles_(ReadsTiles(sample)),
      scratch_stride_(ScratchBytes(sample.inputs())),
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

  // Worth it where oneDNN waits for memory: with AMX, or where there is less to read.
  if (amx || sample.compact().complete()) {
    RunFew(sample, activations.data(), 3, found.data());
    bool equal = same(3) && onednn_.Prepare(kFewRows + 1);
    if (equal) {
      onednn_.Run(sample, activations.data(), kFewRows + 1, found.data());
      equal = same(kFewRows + 1);
    }
    if (equal) return MatmulPath::kOneDnnAndFew;
  }
  for (const int64_t rows : kComparedRows) {
    if (!onednn_.Prepare(rows)) return MatmulPath::kRows;
    onednn_.Run(sample, activations.data(), rows, found.data());
    if (!same(rows)) return MatmulPath::kRows;
  }
  return MatmulPath::kOneDnn;
}

bool Matmul::IsFew(int64_t rows) const {
  return path_ == MatmulPath::kRows ||
         (path_ == MatmulPath::kOneDnnAndFew && rows <= (tiles_ ? kTileMatmulRows : kFewRows));
}

void Matmul::Prepare(int64_t rows) {
  if (!IsFew(rows)) onednn_.Prepare(rows);
}

void Matmul::Run(const WeightMatrix& weights, const void* activations, int64_t rows,
                 float* output) {
  if (rows <= 0) return;
  if (IsFew(rows)) {
    RunFew(weights, activations, rows, output);
  } else {
    onednn_.Run(weights, activations, rows, output);
  }
}

void Matmul::RunFew(const WeightMatrix& weights, const void* activations, int64_t rows,
                    float* output) {
  if (rows <= kTileMatmulRows && ReadsTiles(weights)) {
    RunTiles(weights, activations, rows, output);
  } else {
    RunRows(weights, activations, rows, output);
  }
}

void Matmul::RunTiles(const WeightMatrix& weights, const void* activations, int64_t rows,
                      float* output) {
  std::atomic<int64_t> next_unit = 0;
  team_.Run([&](int thread) {
    TileMatmul({
        .weights = &weights,
        .activations = static_cast<const uint16_t*>(activations),
        .rows = rows,
        .output = output,
        .next_unit = &next_unit,
        .scratch = Scratch(thread),
    });
  });
}

void Matmul::RunRows(const WeightMatrix& weights, const void* activations, int64_t rows,
                     float* output) {
  const int64_t units = (weights.outputs() + kRowMatmulUnit - 1) / kRowMatmulUnit;
  const size_t row_bytes =
      static_cast<size_t>(weights.inputs()) * ElementBytes(weights.precision());
  const bool compact =
      weights.compact().complete() && weights.compact().form() == CompactForm::kVectors;
  const int threads = team_.threads();
  team_.Run([&](int thread) {
    for (int64_t row = 0; row < rows; row += kRowMatmulRows) {
      RowMatmul({
          .weights = &weights,
          .compact = compact,
          .activations = static_cast<const std::byte*>(activations) + row * row_bytes,
          .rows = std::min(kRowMatmulRows, rows - row),
          .output = output + row * weights.outputs(),
          .first_unit = units * thread / threads,
          .last_unit = units * (thread + 1) / threads,
          .scratch = reinterpret_cast<float*>(Scratch(thread)),
      });
    }
  });
}

std::byte* Matmul::Scratch(int thread) {
  return scratch_.data() + static_cast<size_t>(thread) * scratch_stride_;
}

}  // namespace vattention::ops
