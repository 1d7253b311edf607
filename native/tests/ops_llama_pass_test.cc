#include <vector>

#include "tests/check.h"
#include "tests/ops_llama_fixture.h"

namespace vattention::ops {
namespace {

using testing::kCaches;
using testing::kThreads;
using testing::MakeModel;
using testing::Piece;
using testing::RandomTokens;
using testing::Reference;
using testing::SmallConfig;
using testing::Tensors;
using testing::TestPass;
using testing::Variant;

constexpr Variant kVariants[] = {
    {},
    {.style = RopeStyle::kHalf, .tied = true},
    {.biases = true, .head_norms = true, .factors = true},
    {.style = RopeStyle::kHalf, .biases = true, .rope_dims = 8},
};

void CheckNear(const std::vector<float>& found, const std::vector<double>& expected,
               double tolerance) {
  CHECK_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) CHECK_NEAR(found[i], expected[i], tolerance);
}

TEST(LogProbabilitiesEqualFloat64) {
  for (const Variant& variant : kVariants) {
    const LlamaConfig config = SmallConfig(variant);
    const Tensors tensors(config, variant);
    const auto model = MakeModel(config, tensors);
    const auto tokens = RandomTokens(60, 1, config.vocabulary_size);
    const auto expected = Reference(config, tensors, tokens);
    TestPass pass(*model, kCaches[0], kThreads, VATTN_FLOAT32);
    const uint32_t sequence = pass.cache.Allocate();
    CheckNear(pass.Run({{sequence, tokens, 60}})[0], expected.back(), 2e-4);
  }
}

TEST(EveryDecodedTokenEqualsFloat64) {
  const Variant variant = kVariants[2];
  const LlamaConfig config = SmallConfig(variant);
  const Tensors tensors(config, variant);
  const auto model = MakeModel(config, tensors);
  const auto tokens = RandomTokens(40, 2, config.vocabulary_size);
  const auto expected = Reference(config, tensors, tokens);
  TestPass pass(*model, kCaches[3], kThreads, VATTN_FLOAT32);
  const uint32_t sequence = pass.cache.Allocate();
  for (uint32_t i = 0; i < tokens.size(); ++i) {
    CheckNear(pass.Run({{sequence, {tokens[i]}, i + 1}})[0], expected[i], 2e-4);
  }
}

TEST(Bfloat16IsCloseToFloat64) {
  for (Variant variant : kVariants) {
    variant.precision = Precision::kBfloat16;
    const LlamaConfig config = SmallConfig(variant);
    const Tensors tensors(config, variant);
    const auto model = MakeModel(config, tensors);
    const auto tokens = RandomTokens(50, 3, config.vocabulary_size);
    const auto expected = Reference(config, tensors, tokens).back();
    TestPass pass(*model, kCaches[0]);
    const uint32_t sequence = pass.cache.Allocate();
    const auto found = pass.Run({{sequence, tokens, 50}})[0];
    double squares = 0;
    for (size_t i = 0; i < found.size(); ++i) {
      squares += (found[i] - expected[i]) * (found[i] - expected[i]);
    }
    // Activations keep 8 bits through 3 layers; log probabilities spread over several units.
    CHECK_LT(std::sqrt(squares / static_cast<double>(found.size())), 0.05);
  }
}

TEST(WindowsEqualFloat64) {
  const LlamaConfig config = SmallConfig({});
  const Tensors tensors(config, {});
  const auto model = MakeModel(config, tensors);
  const auto tokens = RandomTokens(50, 4, config.vocabulary_size);
  const auto expected = Reference(config, tensors, tokens, 7);
  TestPass pass(*model, kCaches[0], kThreads, VATTN_FLOAT32, 7);
  const uint32_t sequence = pass.cache.Allocate();
  CheckNear(pass.Run({{sequence, tokens, 50}})[0], expected.back(), 2e-4);
}

// The bits of the last row of `tokens`, its pass cut into `chunks` and joined by `mates` others.
std::vector<float> LastRow(TestPass* pass, const std::vector<int32_t>& tokens,
                           const std::vector<size_t>& chunks, int mates) {
  std::vector<Piece> others;
  for (int i = 0; i < mates; ++i) {
    const auto count = static_cast<size_t>(1 + 5 * i % 17);
    const uint32_t sequence = pass->cache.Allocate();
    others.push_back({sequence, RandomTokens(count, 50 + static_cast<uint64_t>(i), 101),
                      static_cast<uint32_t>(count)});
  }
  const uint32_t sequence = pass->cache.Allocate();
  std::vector<float> row;
  size_t done = 0;
  for (const size_t chunk : chunks) {
    std::vector<Piece> pieces = others;
    const auto at = static_cast<ptrdiff_t>(pieces.size() / 2);
    const auto first = tokens.begin() + static_cast<ptrdiff_t>(done);
    pieces.insert(pieces.begin() + at, {sequence,
                                        {first, first + static_cast<ptrdiff_t>(chunk)},
                                        static_cast<uint32_t>(done + chunk)});
    row = pass->Run(pieces)[static_cast<size_t>(at)];
    done += chunk;
  }
  CHECK_EQ(done, tokens.size());
  pass->cache.Free(sequence);
  for (const Piece& piece : others) pass->cache.Free(piece.sequence);
  return row;
}

TEST(BitsDependOnNeitherChunksNorMatesNorCacheNorThreads) {
  for (const Precision precision : {Precision::kBfloat16, Precision::kFloat32}) {
    const Variant variant{.precision = precision, .tied = true};
    const LlamaConfig config = SmallConfig(variant);
    const auto model = MakeModel(config, Tensors(config, variant));
    const auto tokens = RandomTokens(45, 5, config.vocabulary_size);
    std::vector<float> expected;
    for (const int threads : {1, kThreads}) {
      for (const auto& choice : kCaches) {
        TestPass pass(*model, choice, threads);
        if (expected.empty()) expected = LastRow(&pass, tokens, {45}, 0);
        CHECK(LastRow(&pass, tokens, {45}, 0) == expected);
        CHECK(LastRow(&pass, tokens, {44, 1}, 0) == expected);
        CHECK(LastRow(&pass, tokens, {1, 16, 17, 1, 1, 8, 1}, 0) == expected);
        CHECK(LastRow(&pass, tokens, {45}, 3) == expected);
        CHECK(LastRow(&pass, tokens, {20, 24, 1}, 5) == expected);
        CHECK(LastRow(&pass, tokens, std::vector<size_t>(45, 1), 1) == expected);
      }
    }
  }
}

TEST(NorDoTheyOnLesserCpus) { testing::RunOnLesserCpus("BitsDependOnNeither"); }

TEST(AnyRowsMayBeAskedFor) {
  const Variant variant{.precision = Precision::kBfloat16};
  const LlamaConfig config = SmallConfig(variant);
  const auto model = MakeModel(config, Tensors(config, variant));
  const auto tokens = RandomTokens(90, 6, config.vocabulary_size);
  TestPass pass(*model, kCaches[0]);
  const auto run = [&](const std::vector<uint32_t>& rows) {
    const uint32_t sequence = pass.cache.Allocate();
    pass.cache.Step(sequence, 90);
    ForwardBatch batch = testing::MakeBatch({{sequence, tokens, 90}}, config.vocabulary_size);
    batch.logit_rows = rows;
    batch.sampling.assign(rows.size(), {});
    ResolvedBatch resolved = pass.pass->MakeResolvedBatch();
    CHECK_EQ(pass.pass->Resolve(batch, &resolved).message, "");
    ForwardResult result;
    CHECK_EQ(pass.pass->Run(batch, resolved, &result).message, "");
    CHECK_GT(result.timings.total_ns, 0);
    CHECK_GE(result.timings.total_ns,
             result.timings.matmul_ns + result.timings.attention_ns + result.timings.sampling_ns);
    pass.cache.Free(sequence);
    std::vector<float> logprobs;
    for (const SampledToken& token : result.tokens) logprobs.push_back(token.logprob);
    return logprobs;
  };
  std::vector<uint32_t> every;
  for (uint32_t i = 0; i < 90; ++i) every.push_back(i);
  const auto all = run(every);  // more than are sampled at a time
  CHECK_EQ(all.size(), 90u);
  CHECK(run({}).empty());
  const auto some = run({0, 3, 64, 89});
  CHECK(some == (std::vector<float>{all[0], all[3], all[64], all[89]}));
}

TEST(BadBatchesAreRefusedWithTheReason) {
  const LlamaConfig config = SmallConfig({});
  const auto model = MakeModel(config, Tensors(config, {}));
  TestPass pass(*model, kCaches[0]);
  const uint32_t sequence = pass.cache.Allocate();
  pass.cache.Step(sequence, 20);
  const auto refuse = [&](vattn_status code, const char* text, const auto& change) {
    ForwardBatch batch = testing::MakeBatch({{sequence, {1, 2, 3}, 3}}, 1);
    change(batch);
    ResolvedBatch resolved = pass.pass->MakeResolvedBatch();
    Status status = pass.pass->Resolve(batch, &resolved);
    ForwardResult result;
    if (status.ok()) status = pass.pass->Run(batch, resolved, &result);
    CHECK_EQ(status.code, code);
    CHECK(status.message.find(text) != std::string::npos);
  };
  const auto invalid = VATTN_INVALID_ARGUMENT;
  refuse(invalid, "Token 1: expected 0..100, received 101", [](auto& b) { b.tokens[1] = 101; });
  refuse(invalid, "received -1", [](auto& b) { b.tokens[0] = -1; });
  refuse(invalid, "sum to (4)", [](auto& b) { b.query_lengths[0] = b.kv_lengths[0] = 4; });
  refuse(invalid, "received 2", [](auto& b) { b.kv_lengths[0] = 2; });
  refuse(invalid, "Logit row 0", [](auto& b) { b.logit_rows[0] = 3; });
  refuse(invalid, "differ in length", [](auto& b) { b.sampling.clear(); });
  refuse(invalid, "at most 8 sequences", [](auto& b) { b.sequences.resize(9); });
  refuse(VATTN_STALE_SEQUENCE, "", [](auto& b) { b.sequences[0] = 0; });
  refuse(VATTN_NOT_BACKED, "", [](auto& b) { b.kv_lengths[0] = 256; });
  // And the pass goes on.
  CHECK_EQ(pass.Run({{sequence, {1, 2, 3}, 20}}).size(), 1u);
}

TEST(CachesOfAnotherShapeAreRefused) {
  const LlamaConfig config = SmallConfig({});
  const auto model = MakeModel(config, Tensors(config, {}));
  LlamaConfig other = config;
  other.layers = 2;
  const testing::TestCache cache(other, kCaches[0]);
  std::unique_ptr<LlamaPass> pass;
  PassOptions options{.threads = 1, .max_sequences = 1, .max_tokens = 1, .max_length = 1};
  const Status status =
      LlamaPass::Create(*model, cache.ref(), *vattn_cpu_backend(), options, &pass);
  CHECK_EQ(status.code, VATTN_INVALID_ARGUMENT);
  CHECK(status.message.find("expected layers 3, received 2") != std::string::npos);
  CHECK(pass == nullptr);
}

}  // namespace
}  // namespace vattention::ops

TEST_MAIN()
