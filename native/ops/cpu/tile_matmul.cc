#include "ops/cpu/tile_matmul.h"

#if defined(__x86_64__) && defined(__linux__)

#include <cpuid.h>

// GCC 12's header initialises what is undefined on purpose with itself, and warns of it.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace vattention::ops {
namespace {

// Functions with these instructions run only where TilesAvailable() found them.
#define VATTN_TILES \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,amx-tile,amx-bf16")))
#define VATTN_TILES_INLINE VATTN_TILES __attribute__((always_inline)) inline

constexpr int64_t kUnitOutputs = CompactMatrix::kUnitOutputs;
constexpr int64_t kTileOutputs = 16;
constexpr int64_t kTileRows = 16;
constexpr int64_t kTileFloats = 256;
constexpr int64_t kTileBytes = 1024;
constexpr int64_t kLineBytes = 64;  // of a tile, and of the cache
static_assert(kUnitOutputs == 2 * kTileOutputs);
static_assert(kTileMatmulRows == 2 * kTileRows);

// How many groups ahead of their use memory is asked for: the hardware's prefetcher stops at page
// ends. Where a unit ends, this goes on in the one that the thread computes next: what another one
// computes is better left to that one's cache.
constexpr int64_t kGroupsAhead = 8;

// The rows and the bytes of each, of eight tiles. Weights are the first operand, so that columns of
// the sums are rows of the output:
//
//   tile 0 = outputs 0-15 x rows 0-15     tile 1 = outputs 0-15 x rows 16-31     tile 4, 5: weights
//   tile 2 = outputs 16-31 x rows 0-15    tile 3 = outputs 16-31 x rows 16-31    tile 6, 7: rows
struct TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t line_bytes[16] = {};
  uint8_t lines[16] = {};

  TileConfig(int64_t rows, int64_t more_rows) {
    for (const int tile : {0, 2, 6}) Set(tile, 4 * rows);
    for (const int tile : {1, 3, 7}) Set(tile, 4 * std::max<int64_t>(more_rows, 1));
    for (const int tile : {4, 5}) Set(tile, kLineBytes);
  }
  void Set(int tile, int64_t bytes) {
    lines[tile] = 16;
    line_bytes[tile] = static_cast<uint16_t>(bytes);
  }
};
static_assert(sizeof(TileConfig) == 64);

// Gives the tiles back when it ends: while they are in use, every switch of threads saves 8 KiB.
class Tiles {
 public:
  VATTN_TILES_INLINE explicit Tiles(const TileConfig& config) { _tile_loadconfig(&config); }
  VATTN_TILES_INLINE ~Tiles() { _tile_release(); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
};

// 16 scales or offsets as floats.
VATTN_TILES_INLINE __m512 LoadScales(const std::byte* from, bool halves) {
  if (halves) return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(from)));
  return _mm512_load_ps(from);
}

// Two vectors rounded to bfloat16, ties to even: `low` first.
VATTN_TILES_INLINE __m512i Round(__m512 low, __m512 high) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
}

// Expands one group of a unit to two tiles [16, 32].
template <bool kHalves>
VATTN_TILES_INLINE void Expand4(const std::byte* group, std::byte* tiles) {
  constexpr int64_t kScaleBytes = kUnitOutputs * (kHalves ? 2 : 4);
  alignas(kLineBytes) float scales[kUnitOutputs];
  alignas(kLineBytes) float offsets[kUnitOutputs];
  for (int64_t half = 0; half < 2; ++half) {
    const std::byte* from = group + half * kScaleBytes / 2;
    _mm512_store_ps(scales + half * 16, LoadScales(from, kHalves));
    _mm512_store_ps(offsets + half * 16, LoadScales(from + kScaleBytes, kHalves));
  }
  const std::byte* q = group + 2 * kScaleBytes;
  const __m512 numbers = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i low4 = _mm512_set1_epi16(15);
  const __m512i upper = _mm512_set1_epi16(16);
#pragma GCC unroll 8
  for (int64_t output = 0; output < kUnitOutputs; output += 2) {
    // What a weight of the second output can be, then what one of the first can.
    const __m512i values = Round(
        _mm512_fmadd_ps(numbers, _mm512_set1_ps(scales[output + 1]),
                        _mm512_set1_ps(offsets[output + 1])),
        _mm512_fmadd_ps(numbers, _mm512_set1_ps(scales[output]), _mm512_set1_ps(offsets[output])));
    const __m512i both = _mm512_cvtepu8_epi16(
        _mm256_load_si256(reinterpret_cast<const __m256i*>(q + output * kCompactInputs / 2)));
    constexpr int kAndOr = 0xEA;  // (a & b) | c
    const __m512i first = _mm512_ternarylogic_epi32(both, low4, upper, kAndOr);
    const __m512i second = _mm512_srli_epi16(both, 4);
    _mm512_store_si512(tiles + output * kLineBytes, _mm512_permutexvar_epi16(first, values));
    _mm512_store_si512(tiles + (output + 1) * kLineBytes, _mm512_permutexvar_epi16(second, values));
  }
}

// The same for 8 bits.
template <bool kHalves>
VATTN_TILES_INLINE void Expand8(const std::byte* group, std::byte* tiles) {
  constexpr int64_t kScaleBytes = kUnitOutputs * (kHalves ? 2 : 4);
  alignas(kLineBytes) float scales[kUnitOutputs];
  _mm512_store_ps(scales, LoadScales(group, kHalves));
  _mm512_store_ps(scales + 16, LoadScales(group + kScaleBytes / 2, kHalves));
  const std::byte* q = group + kScaleBytes;
#pragma GCC unroll 8
  for (int64_t output = 0; output < kUnitOutputs; ++output) {
    const __m512 scale = _mm512_set1_ps(scales[output]);
    const auto* from = reinterpret_cast<const __m128i*>(q + output * kCompactInputs);
    const __m512 low = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_load_si128(from)));
    const __m512 high = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_load_si128(from + 1)));
    _mm512_store_si512(tiles + output * kLineBytes,
                       Round(_mm512_mul_ps(low, scale), _mm512_mul_ps(high, scale)));
  }
}

// Rows of activations side by side, in pairs of inputs: to [inputs / 2][16][2].
void PackRows(const uint16_t* activations, int64_t rows, int64_t inputs, std::byte* to) {
  for (int64_t r = 0; r < rows; ++r) {
    const auto* from = reinterpret_cast<const std::byte*>(activations + r * inputs);
    for (int64_t pair = 0; pair < inputs / 2; ++pair) {
      std::memcpy(to + pair * kLineBytes + r * 4, from + pair * 4, 4);
    }
  }
}

// Writes sums [16 outputs, 16 rows] to output [rows, count].
VATTN_TILES_INLINE void WriteTransposed(const float* sums, int64_t rows, int64_t count,
                                        float* output, int64_t stride) {
  const __m512i lines =
      _mm512_setr_epi32(0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240);
  const auto valid = static_cast<__mmask16>((1u << count) - 1);
  for (int64_t r = 0; r < rows; ++r) {
    _mm512_mask_storeu_ps(output + r * stride, valid, _mm512_i32gather_ps(lines, sums + r, 4));
  }
}

struct Workspace {
  std::byte* rows;       // [inputs / 2][16][2]: the first 16 rows
  std::byte* more_rows;  // the others
  std::byte* weights;    // 2 x 2 tiles, used in turn
  float* sums;           // 4 tiles
};

// Sums of a unit for up to 16 rows, and up to 16 more. `next` is the unit that follows.
template <int kBits, bool kHalves, bool kMoreRows>
VATTN_TILES void AddUnit(const std::byte* group, const std::byte* next, int64_t inputs,
                         const Workspace& space) {
  constexpr auto kBytes = static_cast<int64_t>(CompactMatrix::UnitGroupBytes(kBits, kHalves));
  _tile_zero(0);
  _tile_zero(2);
  if constexpr (kMoreRows) {
    _tile_zero(1);
    _tile_zero(3);
  }
  const int64_t groups = inputs / kCompactInputs;
  for (int64_t k = 0; k < groups; ++k, group += kBytes) {
    const int64_t beyond = k + kGroupsAhead - groups;
    const std::byte* ahead = beyond < 0 ? group + kGroupsAhead * kBytes : next + beyond * kBytes;
    for (int64_t byte = 0; byte < kBytes; byte += kLineBytes) {
      _mm_prefetch(reinterpret_cast<const char*>(ahead) + byte, _MM_HINT_T0);
    }
    std::byte* weights = space.weights + k % 2 * 2 * kTileBytes;
    if constexpr (kBits == 4) {
      Expand4<kHalves>(group, weights);
    } else {
      Expand8<kHalves>(group, weights);
    }
    _tile_loadd(6, space.rows + k * kTileBytes, kLineBytes);
    _tile_loadd(4, weights, kLineBytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(5, weights + kTileBytes, kLineBytes);
    _tile_dpbf16ps(2, 5, 6);
    if constexpr (kMoreRows) {
      _tile_loadd(7, space.more_rows + k * kTileBytes, kLineBytes);
      _tile_dpbf16ps(1, 4, 7);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, space.sums, kLineBytes);
  _tile_stored(2, space.sums + 2 * kTileFloats, kLineBytes);
  if constexpr (kMoreRows) {
    _tile_stored(1, space.sums + kTileFloats, kLineBytes);
    _tile_stored(3, space.sums + 3 * kTileFloats, kLineBytes);
  }
}

using AddUnitCall = void (*)(const std::byte*, const std::byte*, int64_t, const Workspace&);

template <bool kMoreRows>
AddUnitCall AddUnitOf(int bits, bool halves) {
  if (bits == 4) return halves ? &AddUnit<4, true, kMoreRows> : &AddUnit<4, false, kMoreRows>;
  return halves ? &AddUnit<8, true, kMoreRows> : &AddUnit<8, false, kMoreRows>;
}

VATTN_TILES void Multiply(const TileMatmulArgs& args) {
  const CompactMatrix& compact = args.weights->compact();
  const int64_t inputs = args.weights->inputs();
  const int64_t outputs = args.weights->outputs();
  const int64_t rows = std::min(args.rows, kTileRows);
  const int64_t more_rows = args.rows - rows;
  Workspace space;
  space.rows = args.scratch;
  space.more_rows = space.rows + inputs / 2 * kLineBytes;
  space.weights = space.more_rows + inputs / 2 * kLineBytes;
  space.sums = reinterpret_cast<float*>(space.weights + 4 * kTileBytes);
  PackRows(args.activations, rows, inputs, space.rows);
  PackRows(args.activations + rows * inputs, more_rows, inputs, space.more_rows);

  const Tiles tiles(TileConfig(rows, more_rows));
  const int64_t units = (outputs + kUnitOutputs - 1) / kUnitOutputs;
  int64_t next = (*args.next_unit)++;
  while (next < units) {
    const int64_t unit = next;
    next = (*args.next_unit)++;
    const int64_t block = unit * kUnitOutputs / kBlockOutputs;
    const int bits = compact.bits(block);
    const bool halves = compact.half_scales(block);
    const auto add = more_rows > 0 ? AddUnitOf<true>(bits, halves) : AddUnitOf<false>(bits, halves);
    add(compact.unit(unit), compact.unit(std::min(next, units - 1)), inputs, space);
    for (int64_t t = 0; t < 2; ++t) {
      const int64_t first = unit * kUnitOutputs + t * kTileOutputs;
      const int64_t count = std::min(kTileOutputs, outputs - first);
      if (count <= 0) break;
      const float* sums = space.sums + 2 * t * kTileFloats;
      WriteTransposed(sums, rows, count, args.output + first, outputs);
      WriteTransposed(sums + kTileFloats, more_rows, count, args.output + rows * outputs + first,
                      outputs);
    }
  }
}

bool Detect() {
  const auto bit = [](unsigned value, int index) { return (value >> index & 1) != 0; };
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  const bool vectors = bit(b, 16) && bit(b, 17) && bit(b, 30) && bit(b, 31);  // F, DQ, BW, VL
  const bool tiles = bit(d, 24) && bit(d, 22);                                // AMX-TILE, AMX-BF16
  if (!vectors || !tiles) return false;
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d) == 0 || !bit(a, 5)) return false;  // AVX512-BF16
  // Linux lends tiles only to processes that ask (since 5.16). A refusal is the answer.
  constexpr int kRequestPermission = 0x1023;
  constexpr int kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

}  // namespace

bool TilesAvailable() {
  static const bool available = Detect();
  return available;
}

void TileMatmul(const TileMatmulArgs& args) { Multiply(args); }

}  // namespace vattention::ops

#else

#include "ops/cpu/status.h"

namespace vattention::ops {

bool TilesAvailable() { return false; }
void TileMatmul(const TileMatmulArgs&) { throw InternalError("this CPU has no tiles"); }

}  // namespace vattention::ops

#endif
