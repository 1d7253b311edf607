#include <cstring>
#include <string>
#include <vector>

#include "ops/cpu/matmul.h"
#include "ops/cpu/row_matmul.h"
#include "ops/cpu/status.h"
#include "tests/check.h"
#include "tests/ops_fixture.h"

namespace vattention::ops {
namespace {

using testing::ForEachTarget;
using testing::kThreads;
using testing::RandomFloats;
using testing::Rounded;

// A matrix with some activations, and their product in float64.
struct Problem {
  Problem(int64_t outputs_in, int64_t inputs_in, Precision precision_in, int64_t rows_in)
      : outputs(outputs_in),
        inputs(inputs_in),
        rows(rows_in),
        precision(precision_in),
        weights(outputs, inputs, precision) {
    const auto plain = RandomFloats(static_cast<size_t>(outputs * inputs), 1, 0.2f);
    weights.Pack(0, outputs, plain.data());
    floats = RandomFloats(static_cast<size_t>(Matmul::RoundRows(rows) * inputs), 2);
    halves = Rounded(floats);
    const bool bf16 = precision == Precision::kBfloat16;
    std::vector<double> rounded_weights;
    for (const float value : plain) {
      rounded_weights.push_back(bf16 ? FromBfloat16(ToBfloat16(value)) : value);
    }
    std::vector<double> rounded_activations;
    for (size_t i = 0; i < static_cast<size_t>(rows * inputs); ++i) {
      rounded_activations.push_back(bf16 ? FromBfloat16(halves[i]) : floats[i]);
    }
    expected = testing::Product(rounded_activations, rounded_weights, inputs);
  }

  const void* activations() const {
    return precision == Precision::kBfloat16 ? static_cast<const void*>(halves.data())
                                             : static_cast<const void*>(floats.data());
  }
  std::vector<float> Output() const {
    return std::vector<float>(static_cast<size_t>(Matmul::RoundRows(rows) * outputs), -7.0f);
  }
  void CheckRows(const std::vector<float>& found, int64_t count) const {
    for (size_t i = 0; i < static_cast<size_t>(count * outputs); ++i) {
      CHECK_NEAR(found[i], expected[i], 1e-5 * static_cast<double>(inputs));
    }
  }

  int64_t outputs, inputs, rows;
  Precision precision;
  WeightMatrix weights;
  std::vector<float> floats;
  std::vector<uint16_t> halves;
  std::vector<double> expected;
};

// RowMatmul of all outputs in `parts` ranges of units.
std::vector<float> MultiplyRows(const Problem& problem, int64_t rows, int64_t parts = 1) {
  std::vector<float> output = problem.Output();
  AlignedBuffer<float> scratch(RowMatmulScratch(problem.inputs));
  const int64_t units = (problem.outputs + kRowMatmulUnit - 1) / kRowMatmulUnit;
  for (int64_t part = 0; part < parts; ++part) {
    RowMatmul({.weights = &problem.weights,
               .activations = problem.activations(),
               .rows = rows,
               .output = output.data(),
               .first_unit = units * part / parts,
               .last_unit = units * (part + 1) / parts,
               .scratch = scratch.data()});
  }
  return output;
}

const struct {
  int64_t outputs, inputs;
} kShapes[] = {{64, 64}, {960, 576}, {576, 1536}, {100, 40}, {1, 1}, {33, 7}, {200, 33}};

TEST(RowKernelsEqualFloat64OnEveryInstructionSet) {
  for (const Precision precision : {Precision::kBfloat16, Precision::kFloat32}) {
    for (const auto& shape : kShapes) {
      const Problem problem(shape.outputs, shape.inputs, precision, kRowMatmulRows);
      ForEachTarget([&](const char*) {
        for (const int64_t rows : {int64_t{1}, int64_t{7}, kRowMatmulRows}) {
          problem.CheckRows(MultiplyRows(problem, rows), rows);
        }
      });
    }
  }
}

TEST(RowKernelBitsDependOnNeitherRowsNorShares) {
  for (const Precision precision : {Precision::kBfloat16, Precision::kFloat32}) {
    const Problem problem(200, 96, precision, kRowMatmulRows);
    ForEachTarget([&](const char*) {
      const std::vector<float> all = MultiplyRows(problem, kRowMatmulRows);
      for (int64_t rows = 1; rows <= kRowMatmulRows; ++rows) {
        const std::vector<float> some = MultiplyRows(problem, rows, 1 + rows % 4);
        CHECK(std::memcmp(some.data(), all.data(),
                          static_cast<size_t>(rows * problem.outputs) * sizeof(float)) == 0);
        if (rows < kRowMatmulRows) {  // nothing beyond
          CHECK_EQ(some[static_cast<size_t>(rows * problem.outputs)], -7.0f);
        }
      }
    });
  }
}

// Products of bf16 numbers are exact in float32, so fused or not makes no difference.
TEST(RowKernelsOfBfloat16AgreeOnAllInstructionSets) {
  const Problem problem(200, 100, Precision::kBfloat16, 8);
  std::vector<std::vector<float>> results;
  ForEachTarget([&](const char*) { results.push_back(MultiplyRows(problem, 8)); });
  for (const auto& result : results) CHECK(result == results.front());
}

TEST(RowsHaveTheSameBitsInEveryBatch) {
  const Team team(kThreads);
  team.Bind();
  for (const Precision precision : {Precision::kBfloat16, Precision::kFloat32}) {
    for (const auto& shape : kShapes) {
      const Problem problem(shape.outputs, shape.inputs, precision, 130);
      Matmul matmul(problem.weights, team);
      std::vector<float> all = problem.Output();
      matmul.Run(problem.weights, problem.activations(), problem.rows, all.data());
      problem.CheckRows(all, problem.rows);
      for (const int64_t rows : {1, 2, 3, 4, 8, 15, 16, 17, 31, 32, 33, 64, 65, 100, 128}) {
        std::vector<float> some = problem.Output();
        matmul.Run(problem.weights, problem.activations(), rows, some.data());
        CHECK(std::memcmp(some.data(), all.data(),
                          static_cast<size_t>(rows * problem.outputs) * sizeof(float)) == 0);
      }
    }
  }
}

TEST(SoTheyDoOnLesserCpus) { testing::RunOnLesserCpus("RowsHaveTheSameBitsInEveryBatch"); }

TEST(ThreadsDoNotChangeBits) {
  for (const Precision precision : {Precision::kBfloat16, Precision::kFloat32}) {
    const Problem problem(960, 576, precision, 70);
    std::vector<std::vector<float>> results;
    for (const int threads : {1, kThreads}) {
      const Team team(threads);
      team.Bind();
      Matmul matmul(problem.weights, team);
      for (const int64_t rows : {int64_t{5}, problem.rows}) {
        std::vector<float> output = problem.Output();
        matmul.Run(problem.weights, problem.activations(), rows, output.data());
        output.resize(static_cast<size_t>(rows * problem.outputs));
        results.push_back(output);
      }
    }
    CHECK(results[0] == results[2]);
    CHECK(results[1] == results[3]);
  }
}

TEST(MatricesArePackedInPiecesAsAtOnce) {
  const auto plain = RandomFloats(200 * 40, 3);
  WeightMatrix whole(200, 40, Precision::kBfloat16);
  whole.Pack(0, 200, plain.data());
  WeightMatrix pieces(200, 40, Precision::kBfloat16);
  for (const auto& [first, count] : {std::pair{130, 70}, {0, 1}, {1, 64}, {65, 65}}) {
    pieces.Pack(first, count, plain.data() + first * 40);
  }
  CHECK_EQ(whole.bytes(), pieces.bytes());
  CHECK(std::memcmp(whole.data(), pieces.data(), whole.bytes()) == 0);
  bool refused = false;
  try {
    pieces.Pack(199, 2, plain.data());
  } catch (const InternalError&) {
    refused = true;
  }
  CHECK(refused);
}

}  // namespace
}  // namespace vattention::ops

TEST_MAIN()
