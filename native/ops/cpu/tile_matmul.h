// Products of a few rows of bfloat16 with compact weights, on the tile unit of Intel CPUs (AMX).
//
// With few rows, memory decides the speed, and compact weights are a third of the size; but
// expanding them takes arithmetic. Here a group of 32 inputs is expanded to tiles in the
// first-level cache, a table of the 16 values of an output's weights making that a permutation, and
// the tile unit multiplies them while the vector units expand the next.
//
// A product is summed as TDPBF16PS does: inputs in groups of 32; in a group the even ones and the
// odd ones are summed on their own, ascending; then sum += even + odd. So a row has the bits that
// RowMatmul and oneDNN's AMX kernels give it, whatever the number of rows.
#ifndef VATTENTION_OPS_CPU_TILE_MATMUL_H_
#define VATTENTION_OPS_CPU_TILE_MATMUL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "ops/cpu/compact_matrix.h"
#include "ops/cpu/weight_matrix.h"

namespace vattention::ops {

// The most rows of one call: their sums fill the tiles.
inline constexpr int64_t kTileMatmulRows = 32;

// Whether this process may use the tile unit. Asks the system for it the first time.
bool TilesAvailable();

// Bytes of scratch that a thread needs for a matrix of `inputs`: activations in pairs, and tiles.
inline size_t TileMatmulScratch(int64_t inputs) {
  constexpr size_t kTiles = 8;
  constexpr size_t kTileBytes = 1024;
  return static_cast<size_t>(kTileMatmulRows * inputs) * sizeof(uint16_t) + kTiles * kTileBytes;
}

struct TileMatmulArgs {
  const WeightMatrix* weights;  // its compact form is complete and made for tiles
  const uint16_t* activations;  // [rows, inputs]
  int64_t rows;                 // 1..kTileMatmulRows
  float* output;                // [rows, outputs]
  // The next unit (CompactMatrix::kUnitOutputs outputs) that nobody computes. Threads take one
  // after the other: cores of shared machines are not equally fast.
  std::atomic<int64_t>* next_unit;
  std::byte* scratch;  // TileMatmulScratch(inputs), 64-byte aligned, of the calling thread alone
};

// Computes outputs until all units are taken.
void TileMatmul(const TileMatmulArgs& args);

}  // namespace vattention::ops

#endif  // VATTENTION_OPS_CPU_TILE_MATMUL_H_
