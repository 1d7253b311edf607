#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "ops/cpu/weight_file.h"
#include "tests/check.h"
#include "tests/ops_llama_fixture.h"

namespace vattention::ops {
namespace {

using testing::RandomFloats;
using testing::SmallConfig;
using testing::Tensors;

// A file in the temporary folder, gone with this object.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::vector<char>& bytes) {
    char name[] = "/tmp/vattention-weights-XXXXXX";
    const int descriptor = mkstemp(name);
    CHECK(descriptor >= 0);
    path = name;
    FILE* file = fdopen(descriptor, "wb");
    CHECK_EQ(std::fwrite(bytes.data(), 1, bytes.size(), file), bytes.size());
    std::fclose(file);
  }
  ~TemporaryFile() { std::remove(path.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  std::string path;
};

// All tensors behind each other as F32, and where each is.
struct StoredModel {
  explicit StoredModel(const LlamaConfig& config, const Tensors& tensors) {
    for (const auto& [key, values] : tensors.values) {
      WeightSource source;
      source.role = key.first;
      source.layer = key.second;
      source.offset = bytes.size();
      source.type = StorageType::kF32;
      source.shape = ShapeOf(config, key.first);
      sources.push_back(source);
      const auto* data = reinterpret_cast<const char*>(values.data());
      bytes.insert(bytes.end(), data, data + values.size() * sizeof(float));
    }
  }
  std::vector<char> bytes;
  std::vector<WeightSource> sources;
};

bool SameBytes(const WeightMatrix& a, const WeightMatrix& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

TEST(LoadingFromFilesEqualsGivingByValue) {
  for (const bool tied : {false, true}) {
    const testing::Variant variant{.precision = Precision::kBfloat16,
                                   .tied = tied,
                                   .biases = true,
                                   .head_norms = true,
                                   .factors = true};
    const LlamaConfig config = SmallConfig(variant);
    const Tensors tensors(config, variant);
    const auto expected = testing::MakeModel(config, tensors);
    StoredModel stored(config, tensors);
    const TemporaryFile file(stored.bytes);
    LlamaModel model(config);
    // Two threads at a time.
    std::string problems[2];
    std::vector<std::thread> threads;
    for (size_t t = 0; t < 2; ++t) {
      threads.emplace_back([&, t] {
        for (size_t i = t; i < stored.sources.size(); i += 2) {
          WeightSource source = stored.sources[i];
          source.path = file.path;
          problems[t] += model.Load(source).message;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK_EQ(problems[0] + problems[1], "");
    CHECK(!model.complete());
    CHECK(model.Finish().empty());
    CHECK(model.complete());
    CHECK_EQ(model.bytes(), expected->bytes());
    CHECK(SameBytes(model.output(), expected->output()));
    CHECK(model.output_norm() == expected->output_norm());
    CHECK(model.rope_factors() == expected->rope_factors());
    for (int32_t i = 0; i < config.layers; ++i) {
      const LlamaLayer& a = model.layer(i);
      const LlamaLayer& b = expected->layer(i);
      CHECK(SameBytes(a.qkv, b.qkv) && SameBytes(a.gate_up, b.gate_up));
      CHECK(SameBytes(a.attention_output, b.attention_output) && SameBytes(a.down, b.down));
      CHECK(a.qkv_bias == b.qkv_bias && a.query_norm == b.query_norm);
      CHECK(a.attention_norm == b.attention_norm && a.feed_forward_norm == b.feed_forward_norm);
    }
    std::vector<float> found(static_cast<size_t>(config.hidden_size));
    std::vector<float> wanted(found.size());
    for (int32_t token = 0; token < config.vocabulary_size; ++token) {
      model.embedding().Read(token, found.data());
      expected->embedding().Read(token, wanted.data());
      CHECK(found == wanted);
    }
  }
}

TEST(WhatIsWrongWithATensorNamesIt) {
  const LlamaConfig config = SmallConfig({});
  const StoredModel stored(config, Tensors(config, {}));
  const TemporaryFile file(stored.bytes);
  LlamaModel model(config);
  WeightSource good;
  for (const WeightSource& source : stored.sources) {
    if (source.role == WeightRole::kDown && source.layer == 1) good = source;
  }
  good.path = file.path;
  const auto refuse = [&](vattn_status code, const char* text, const auto& change) {
    WeightSource source = good;
    change(source);
    const Status status = model.Load(source);
    CHECK_EQ(status.code, code);
    if (status.message.find(text) == std::string::npos) {
      vattention::testing::Fail(__FILE__, __LINE__, status.message);
    }
  };
  refuse(VATTN_INVALID_ARGUMENT, "Tensor layer 1 down: expected the shape [40, 72], received [40]",
         [](auto& s) { s.shape = {40}; });
  refuse(VATTN_INVALID_ARGUMENT, "expected the shape", [](auto& s) { s.shape = {72, 40}; });
  refuse(VATTN_INVALID_ARGUMENT, "layer 3 down: Expected a layer of 0..2",
         [](auto& s) { s.layer = 3; });
  refuse(VATTN_INVALID_ARGUMENT, "whole blocks of 256",
         [](auto& s) { s.type = StorageType::kQ4_K; });
  refuse(VATTN_INVALID_ARGUMENT, "ends at byte",
         [&](auto& s) { s.offset = stored.bytes.size() - 100; });
  refuse(VATTN_INVALID_ARGUMENT, "ends at byte", [](auto& s) { s.offset = uint64_t{1} << 50; });
  refuse(VATTN_DEVICE_ERROR, "open failed", [](auto& s) { s.path = "/nonexistent/file"; });
  CHECK_EQ(model.Load(good).message, "");
  refuse(VATTN_INVALID_ARGUMENT, "given before", [](auto&) {});
  const auto missing = model.Finish();
  CHECK_EQ(missing.size(), stored.sources.size() - 1);
  CHECK(std::find(missing.begin(), missing.end(), "layer 1 down") == missing.end());
  CHECK(std::find(missing.begin(), missing.end(), "layer 1 up") != missing.end());
  CHECK(std::find(missing.begin(), missing.end(), "output") != missing.end());
  CHECK(!model.complete());
}

TEST(WhatIsOptionalIsThereForAllLayersOrForNone) {
  const LlamaConfig config = SmallConfig({});
  Tensors tensors(config, {});
  tensors.values[{WeightRole::kKeyBias, 1}] = RandomFloats(32, 1);
  LlamaModel model(config);
  for (const auto& [key, values] : tensors.values) {
    CHECK(
        model.Set(key.first, key.second, values.data(), static_cast<int64_t>(values.size())).ok());
  }
  CHECK(model.Finish() == (std::vector<std::string>{"layer 0 keyBias", "layer 2 keyBias"}));
}

TEST(TiedModelsTakeNoOutput) {
  const LlamaConfig config = SmallConfig({.tied = true});
  LlamaModel model(config);
  const auto values = RandomFloats(101 * 40, 1);
  const Status status = model.Set(WeightRole::kOutput, -1, values.data(), 101 * 40);
  CHECK_EQ(status.code, VATTN_INVALID_ARGUMENT);
  CHECK(status.message.find("tied") != std::string::npos);
}

TEST(RandomWeightsRepeatWithTheirSeed) {
  const LlamaConfig config = SmallConfig({.precision = Precision::kBfloat16});
  LlamaModel models[3] = {LlamaModel(config), LlamaModel(config), LlamaModel(config)};
  const uint64_t seeds[3] = {1, 1, 2};
  for (int i = 0; i < 3; ++i) {
    CHECK_EQ(models[i].Fill(seeds[i]).message, "");
    CHECK(models[i].Finish().empty());
  }
  CHECK(SameBytes(models[0].output(), models[1].output()));
  CHECK(SameBytes(models[0].layer(2).qkv, models[1].layer(2).qkv));
  CHECK(!SameBytes(models[0].output(), models[2].output()));
  CHECK(!SameBytes(models[0].layer(0).down, models[0].layer(1).down));
  std::vector<float> row(40);
  double squares = 0;
  for (int32_t token = 0; token < 101; ++token) {
    models[0].embedding().Read(token, row.data());
    for (const float x : row) squares += x * x;
  }
  CHECK_NEAR(squares / 101, 1.0, 0.1);  // a variance of 1 / 40
}

TEST(ConfigurationsThatCannotBeAreRefused) {
  const auto refuse = [](const char* text, const auto& change) {
    LlamaConfig config = SmallConfig({});
    CHECK(CheckConfig(config).ok());
    change(config);
    const Status status = CheckConfig(config);
    CHECK_EQ(status.code, VATTN_INVALID_ARGUMENT);
    CHECK(status.message.find(text) != std::string::npos);
  };
  refuse("layers", [](auto& c) { c.layers = 0; });
  refuse("multiple of kvHeads", [](auto& c) { c.query_heads = 5; });
  refuse("ropeDims", [](auto& c) { c.rope_dims = 18; });
  refuse("ropeDims", [](auto& c) { c.rope_dims = 7; });
  refuse("ropeBase", [](auto& c) { c.rope_base = 0; });
}

}  // namespace
}  // namespace vattention::ops

TEST_MAIN()
