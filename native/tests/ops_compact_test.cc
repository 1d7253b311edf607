#include <atomic>
#include <cstring>
#include <string>
#include <vector>

#include "ops/cpu/counter_random.h"
#include "ops/cpu/matmul.h"
#include "ops/cpu/row_matmul.h"
#include "ops/cpu/status.h"
#include "ops/cpu/tile_matmul.h"
#include "tests/check.h"
#include "tests/ops_fixture.h"

namespace vattention::ops {
namespace {

using testing::ForEachTarget;
using testing::kThreads;
using testing::RandomFloats;
using testing::Rounded;

constexpr StorageType kTypes[] = {StorageType::kQ4_0, StorageType::kQ4_1, StorageType::kQ4_K,
                                  StorageType::kQ8_0};

// Stored rows of random bits with scales that are numbers.
std::vector<std::byte> RandomStored(StorageType type, int64_t rows, int64_t inputs, uint64_t seed) {
  const StorageLayout& layout = LayoutOf(type);
  std::vector<std::byte> stored(static_cast<size_t>(rows) * StoredBytes(type, inputs));
  for (size_t i = 0; i < stored.size(); ++i) {
    stored[i] = static_cast<std::byte>(Philox(seed, i)[0] & 255);
  }
  const bool two = type == StorageType::kQ4_1 || type == StorageType::kQ4_K;
  for (size_t at = 0; at < stored.size(); at += static_cast<size_t>(layout.block_bytes)) {
    for (size_t scale = 0; scale < (two ? 2u : 1u); ++scale) {
      // The top bits 0b001 make a half of 2^-15 to 2^-7, either sign.
      std::byte& high = stored[at + 2 * scale + 1];
      high = (high & std::byte{0x9F}) | std::byte{0x20};
    }
  }
  return stored;
}

// A matrix with its compact form, loaded as models do.
WeightMatrix Load(StorageType type, int64_t outputs, int64_t inputs, Precision precision,
                  CompactForm form = CompactForm::kVectors) {
  WeightMatrix matrix(outputs, inputs, precision, form);
  const auto stored = RandomStored(type, outputs, inputs, 5);
  CHECK(matrix.compact().Supports(type, 0, outputs));
  CHECK_GT(matrix.compact().Reserve(type, 0, outputs), 0u);
  std::vector<float> floats(static_cast<size_t>(kBlockOutputs * inputs));
  for (int64_t row = 0; row < outputs; row += kBlockOutputs) {
    const int64_t count = std::min(kBlockOutputs, outputs - row);
    const std::byte* bytes = stored.data() + static_cast<size_t>(row) * StoredBytes(type, inputs);
    Dequantize(type, bytes, count * inputs, floats.data());
    matrix.Pack(row, count, floats.data());
    matrix.compact().Pack(type, row, count, bytes);
  }
  CHECK(matrix.compact().complete());
  CHECK_LT(CompactMatrix::GroupBytes(matrix.compact().bits(0)),
           static_cast<size_t>(kCompactInputs * kBlockOutputs) * ElementBytes(precision));
  return matrix;
}

TEST(CompactWeightsGiveTheSameBitsOnEveryInstructionSet) {
  const auto floats = RandomFloats(kRowMatmulRows * 512, 1);
  const auto halves = Rounded(floats);
  for (const Precision precision : {Precision::kBfloat16, Precision::kFloat32}) {
    for (const StorageType type : kTypes) {
      for (const int64_t outputs : {200, 64, 1}) {
        const WeightMatrix matrix = Load(type, outputs, 512, precision);
        AlignedBuffer<float> scratch(RowMatmulScratch(512));
        const auto multiply = [&](bool compact, int64_t rows, int64_t parts) {
          std::vector<float> output(static_cast<size_t>(kRowMatmulRows * outputs), -7.0f);
          const int64_t units = (outputs + kRowMatmulUnit - 1) / kRowMatmulUnit;
          for (int64_t part = 0; part < parts; ++part) {
            RowMatmul({.weights = &matrix,
                       .compact = compact,
                       .activations = precision == Precision::kBfloat16
                                          ? static_cast<const void*>(halves.data())
                                          : static_cast<const void*>(floats.data()),
                       .rows = rows,
                       .output = output.data(),
                       .first_unit = units * part / parts,
                       .last_unit = units * (part + 1) / parts,
                       .scratch = scratch.data()});
          }
          return output;
        };
        ForEachTarget([&](const char*) {
          for (const int64_t rows : {1, 2, 7, 32}) {
            CHECK(multiply(true, rows, 3) == multiply(false, rows, 1));
          }
        });
      }
    }
  }
}

TEST(TilesGiveTheSameBitsAsVectors) {
  if (!TilesAvailable()) return;  // nothing to compare on this CPU
  const auto halves = Rounded(RandomFloats(kTileMatmulRows * 512, 1));
  for (const StorageType type : kTypes) {
    for (const int64_t outputs : {200, 64, 17, 1}) {
      const WeightMatrix matrix =
          Load(type, outputs, 512, Precision::kBfloat16, CompactForm::kTiles);
      AlignedBuffer<float> scratch(RowMatmulScratch(512));
      std::vector<float> expected(static_cast<size_t>(kTileMatmulRows * outputs));
      RowMatmul({.weights = &matrix,
                 .activations = halves.data(),
                 .rows = kTileMatmulRows,
                 .output = expected.data(),
                 .first_unit = 0,
                 .last_unit = (outputs + kRowMatmulUnit - 1) / kRowMatmulUnit,
                 .scratch = scratch.data()});
      AlignedBuffer<std::byte> tile_scratch(TileMatmulScratch(512));
      for (int64_t rows = 1; rows <= kTileMatmulRows; ++rows) {
        std::vector<float> found(static_cast<size_t>((rows + 1) * outputs), -7.0f);
        std::atomic<int64_t> next_unit = 0;
        TileMatmul({.weights = &matrix,
                    .activations = halves.data(),
                    .rows = rows,
                    .output = found.data(),
                    .next_unit = &next_unit,
                    .scratch = tile_scratch.data()});
        const auto count = static_cast<size_t>(rows * outputs);
        CHECK(std::memcmp(found.data(), expected.data(), count * sizeof(float)) == 0);
        CHECK_EQ(found[count], -7.0f);  // nothing beyond
      }
    }
  }
}

TEST(ProductsOfCompactMatricesHaveTheSameBitsInEveryBatch) {
  const Team team(kThreads);
  team.Bind();
  for (const Precision precision : {Precision::kBfloat16, Precision::kFloat32}) {
    const WeightMatrix matrix =
        Load(StorageType::kQ4_1, 960, 576, precision, PreferredCompactForm(precision));
    Matmul matmul(matrix, team);
    const auto floats = RandomFloats(160 * 576, 1);
    const auto halves = Rounded(floats);
    const void* activations = precision == Precision::kBfloat16
                                  ? static_cast<const void*>(halves.data())
                                  : static_cast<const void*>(floats.data());
    std::vector<float> all(160 * 960);
    matmul.Run(matrix, activations, 130, all.data());
    for (const int64_t rows : {1, 2, 5, 8, 16, 17, 33, 64, 100}) {
      std::vector<float> some(160 * 960);
      matmul.Run(matrix, activations, rows, some.data());
      CHECK(std::memcmp(some.data(), all.data(), static_cast<size_t>(rows) * 960 * sizeof(float)) ==
            0);
    }
  }
}

TEST(SoTheyDoOnLesserCpus) { testing::RunOnLesserCpus("ProductsOfCompactMatricesHaveTheSameBits"); }

TEST(GroupsAreWhatDequantizingGives) {
  for (const StorageType type : kTypes) {
    const auto stored = RandomStored(type, 1, 1024, 9);
    std::vector<float> expected(1024);
    Dequantize(type, stored.data(), 1024, expected.data());
    for (int64_t g = 0; g < 32; ++g) {
      const QuantizedGroup group = UnpackGroup(type, stored.data(), g);
      for (int64_t i = 0; i < 32; ++i) {
        CHECK_EQ(std::fma(static_cast<float>(group.q[i]), group.scale, group.offset),
                 expected[static_cast<size_t>(g * 32 + i)]);
      }
    }
  }
}

TEST(MatricesInPartsAreCompleteWhenAllPartsAre) {
  CompactMatrix matrix(256, 256, CompactForm::kVectors);
  CHECK(!matrix.complete());
  CHECK(!CompactMatrix().complete());
  CHECK(matrix.Supports(StorageType::kQ4_K, 64, 64));
  CHECK(!matrix.Supports(StorageType::kQ6_K, 64, 64));  // scales of 16
  CHECK(!matrix.Supports(StorageType::kF16, 0, 256));
  CHECK(!matrix.Supports(StorageType::kQ4_0, 32, 64));  // half a block
  CHECK(!matrix.Supports(StorageType::kQ4_0, 0, 100));
  CHECK(!CompactMatrix(64, 64, CompactForm::kVectors).Supports(StorageType::kQ4_K, 0, 64));
  CHECK(CompactMatrix(100, 64, CompactForm::kTiles).Supports(StorageType::kQ8_0, 64, 36));
  CHECK_GT(matrix.Reserve(StorageType::kQ4_K, 64, 64), 0u);
  CHECK_GT(matrix.Reserve(StorageType::kQ8_0, 128, 128), 0u);
  CHECK(!matrix.complete());
  CHECK_GT(matrix.Reserve(StorageType::kQ4_0, 0, 64), 0u);
  CHECK(matrix.complete());
  CHECK_EQ(matrix.bits(1), 4);
  CHECK_EQ(matrix.bits(3), 8);
}

}  // namespace
}  // namespace vattention::ops

TEST_MAIN()
