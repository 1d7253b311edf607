// PagedAttention through its C table, without JavaScript: which kernel it takes, on any machine,
// and on a GPU what all backends must do (attention_cuda_cases.cc) and what only this one has: two
// versions of its kernel, prompts out of blocks, caches of e4m3.
#include <cuda_fp8.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "attention/built.h"
#include "attention/paged_attention/decode.h"
#include "attention/paged_attention/paged_attention_backend.h"
#include "tests/attention_cuda_built.h"
#include "tests/attention_cuda_fixture.h"
#include "tests/attention_cuda_reference.h"

namespace vattention::testing {

const TestedBackend& Tested() {
  static const TestedBackend tested = [] {
    TestedBackend backend{};
    backend.table = vattn_paged_attention_backend();
    for (const int32_t block : {16, 8, 32}) {
      backend.forms.push_back({VATTN_PAGED, 0, 0, block, VATTN_POOL_PAGED_ATTENTION});
    }
    backend.head_dims = BuiltHeadDims();
    backend.dtypes = BuiltDtypes();
    backend.alibi = true;
    backend.non_causal = true;
    backend.batch_invariant = true;
    // Products of weights and values are rounded, too, and what partitions give.
    backend.roundings = 4;
    return backend;
  }();
  return tested;
}

namespace {

using paged_attention::ChooseVersion;
using paged_attention::Decode;
using paged_attention::KernelVersion;
using Ways = Scene::Ways;

TEST(TheRuleBetweenTheVersions) {
  CHECK_EQ(ChooseVersion(1, 32, 1), KernelVersion::kOne);
  CHECK_EQ(ChooseVersion(1, 32, 512), KernelVersion::kOne);
  CHECK_EQ(ChooseVersion(1, 32, 513), KernelVersion::kTwo);
  CHECK_EQ(ChooseVersion(16, 32, 8192), KernelVersion::kTwo);
  CHECK_EQ(ChooseVersion(17, 32, 8192), KernelVersion::kOne);
  CHECK_EQ(ChooseVersion(17, 32, 8193), KernelVersion::kTwo);
  CHECK_EQ(ChooseVersion(1000, 64, 100'000), KernelVersion::kTwo);
  CHECK_EQ(ChooseVersion(3, 8, 0), KernelVersion::kOne);
}

TEST(IndicesOfOneLaunchFitInto31Bits) {
  Decode decode{};
  decode.query_heads = 64;
  decode.head_dim = 128;
  decode.query_stride = 64 * 128;
  decode.table_stride = 8;
  decode.max_length = 100;
  CHECK_EQ(paged_attention::SequencesAtOnce(decode), 65535);  // rows of a grid
  decode.max_length = 131'072;                                // 256 partitions
  CHECK_EQ(paged_attention::SequencesAtOnce(decode), 1023);
  decode.max_length = 3'000'000;
  CHECK_EQ(paged_attention::SequencesAtOnce(decode), 44);
  decode.query_stride = int64_t{1} << 40;
  CHECK_EQ(paged_attention::SequencesAtOnce(decode), 1);
}

TEST(WhatWasBuilt) {
  const std::string built = vattn_paged_attention_built();
  CHECK(built.find("\"headDims\":[" VATTN_CUDA_HEAD_DIM_LIST "]") != std::string::npos);
  CHECK_EQ(std::string(vattn_paged_attention_backend()->name), "paged-attention");
}

Scenario FirstScenario(size_t form = 0) {
  Scenario scenario;
  scenario.form = Tested().forms[form];
  scenario.head_dim = Tested().head_dims.front();
  scenario.dtype = Tested().dtypes.front();
  return scenario;
}

TEST(BothVersionsAndThoseWithLogSumExps) {
  if (!WhyNoGpu().empty()) return;
  for (size_t form = 0; form < Tested().forms.size(); ++form) {
    for (const int32_t dtype : Tested().dtypes) {
      Scenario scenario = FirstScenario(form);
      scenario.dtype = dtype;
      scenario.needs_lse = false;
      scenario.max_sequences = 80;
      scenario.max_length = 10'000;
      scenario.layers = 1;
      Scene scene(scenario);
      const auto decode = [&](const std::vector<Part>& parts) {
        scene.Pass(parts, {.lse = false});
        scene.Pass(parts, {.append = false});  // version two, whatever the rule says
      };
      // One: nothing to partition. Two: too little work otherwise.
      decode({{scene.Add(511), 1, 512}, {scene.Add(0), 1, 1}, {scene.Add(0), 1, 0}});
      decode({{scene.Add(3000), 1, 3001}, {scene.Add(512), 1, 513}});
      // Two: logits that shared memory has no room for.
      decode({{scene.Add(9000), 1, 9001}, {scene.Add(30), 1, 31}});
      // One: thread blocks enough.
      std::vector<Part> many;
      for (uint32_t i = 0; i < 70; ++i) many.push_back({scene.Add(10 * i), 1, 10 * i + 1});
      decode(many);
    }
  }
}

TEST(AGraphOfVersionOne) {
  if (!WhyNoGpu().empty()) return;
  Scenario scenario = FirstScenario();
  scenario.needs_lse = false;
  scenario.layers = 1;
  scenario.graph_sequences = 3;
  scenario.graph_max_length = 500;
  Scene scene(scenario);
  std::vector<Part> parts = {{scene.Add(20), 1, 21}, {scene.Add(300), 1, 301}};
  Scene::Operands operands = scene.MakeOperands(3);
  scene.Step(parts);
  scene.Prepare(parts);
  const cudaStream_t stream = scene.stream().handle();
  Gpu(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  scene.Run(0, &operands, {.lse = false});
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t replay = nullptr;
  Gpu(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
  Gpu(cudaGraphInstantiate(&replay, graph, 0), "cudaGraphInstantiate");
  for (int round = 0; round < 3; ++round) {
    scene.Step(parts);
    scene.Fill(parts, 0, &operands);
    scene.Prepare(parts);
    Gpu(cudaGraphLaunch(replay, stream), "cudaGraphLaunch");
    scene.CheckResult(parts, 0, scene.Read(operands, false));
    for (Part& part : parts) part.kv += 1;
    if (round == 1) parts.push_back({scene.Add(499), 1, 500});
  }
  Gpu(cudaGraphExecDestroy(replay), "cudaGraphExecDestroy");
  Gpu(cudaGraphDestroy(graph), "cudaGraphDestroy");
}

TEST(FreshRowsAndTheirCopiesInBlocksGiveTheSameBits) {
  if (!WhyNoGpu().empty()) return;
  for (size_t form = 0; form < Tested().forms.size(); ++form) {
    Scene scene(FirstScenario(form));
    const std::vector<Part> parts = {{scene.Add(0), 77, 77}, {scene.Add(0), 200, 200}};
    const std::vector<Result> fresh = scene.Pass(parts);
    const std::vector<Result> gathered = scene.Pass(parts, {.append = false});
    for (size_t layer = 0; layer < fresh.size(); ++layer) {
      CHECK(fresh[layer].output == gathered[layer].output);
      CHECK(fresh[layer].lse == gathered[layer].lse);
    }
  }
}

// More partial results, and more tokens to gather, than a plan has room for at a time.
TEST(LargePassesGoInParts) {
  if (!WhyNoGpu().empty()) return;
  Scenario scenario = FirstScenario();
  scenario.layers = 1;
  scenario.query_heads = 64;
  scenario.kv_heads = 1;
  scenario.max_sequences = 150;
  scenario.max_length = 16'384;
  scenario.max_tokens = 512;
  {
    Scene scene(scenario);
    std::vector<Part> decode;
    for (uint32_t i = 0; i < 149; ++i) decode.push_back({scene.Add(i % 40), 1, i % 40 + 1});
    decode.push_back({scene.Add(16'000), 1, 16'001});
    scene.Pass(decode);
  }
  scenario.query_heads = 2;
  Scene scene(scenario);
  std::vector<Part> chunks;
  for (uint32_t i = 0; i < 9; ++i) chunks.push_back({scene.Add(4000 + i), 2 + i, 4002 + 2 * i});
  scene.Pass(chunks);
  std::swap(chunks[1], chunks[7]);
  scene.Pass(chunks);
}

TEST(CachesThatItDoesNotRead) {
  if (!WhyNoGpu().empty()) return;
  Scene scene(FirstScenario());
  const auto refused = [&](const char* word, const auto& change) {
    vattn_config config = scene.MakeConfig();
    vattn_limits limits = scene.MakeLimits();
    change(&config, &limits);
    vattn_plan* plan = nullptr;
    Error error;
    CHECK_EQ(Tested().table->plan_create(&config, &limits, &plan, &error), VATTN_UNSUPPORTED);
    CHECK(plan == nullptr);
    if (std::string(error.message).find(word) == std::string::npos) {
      Fail(__FILE__, __LINE__, std::string("\"") + word + "\" is not in: " + error.message);
    }
  };
  refused("contiguous", [](vattn_config* c, vattn_limits*) { c->cache_kind = VATTN_CONTIGUOUS; });
  refused("Pool layout", [](vattn_config* c, vattn_limits*) { c->pool_layout = VATTN_POOL_NHD; });
  refused("Pool layout", [](vattn_config* c, vattn_limits*) { c->block_tokens = 64; });
  refused("3145728", [](vattn_config* c, vattn_limits* l) {
    c->shape.max_length = l->max_length = 3'145'729;
  });
  refused("window", [](vattn_config* c, vattn_limits*) { c->window = 10; });
  const std::vector<float> slopes = Slopes(8);
  refused("ALiBi", [&](vattn_config* c, vattn_limits*) {
    c->alibi_slopes = slopes.data();
    c->causal = 0;
  });
  if (VATTN_CUDA_FP8 == 0) {
    refused("Dtype", [](vattn_config* c, vattn_limits*) { c->shape.dtype = VATTN_FLOAT8_E4M3; });
  }
}

#if VATTN_CUDA_FP8

// A cache of e4m3 and a plan over it: what Scene does for elements of 16 bits. What is in the cache
// was appended by the plan.
class Float8Scene {
 public:
  // `scale_rows`: 0, the scales are one number; 1, one for each head; else one for each slot, too.
  Float8Scene(const Scenario& scenario, int32_t scale_rows)
      : scenario_(scenario), scale_rows_(scale_rows) {
    const int32_t block = scenario.form.block_tokens;
    vattn_paged_options options{};
    options.size = sizeof(options);
    options.shape = {sizeof(vattn_cache_shape), 1,
                     scenario.kv_heads,         scenario.head_dim,
                     scenario.head_dim,         VATTN_FLOAT8_E4M3,
                     scenario.max_sequences,    scenario.max_length};
    options.device_type = VATTN_DEVICE_CUDA;
    options.limit_bytes = static_cast<uint64_t>(scenario.max_sequences) *
                          static_cast<uint64_t>((scenario.max_length + block) * 2 *
                                                scenario.kv_heads * scenario.head_dim);
    options.block_tokens = block;
    options.pool_layout = VATTN_POOL_PAGED_ATTENTION;
    cache_.size = sizeof(cache_);
    Must(vattn_paged_create(&options, &cache_, &error_));
    view_.size = sizeof(view_);
    Must(cache_.api->view(cache_.cache, &view_, &error_));
    Must(cache_.api->attach_stream(cache_.cache, stream_.get(), &error_));

    for (const bool value : {false, true}) {
      std::vector<float>& scales = value ? value_scales_ : key_scales_;
      const int32_t rows = std::max(1, scale_rows);
      for (int32_t i = 0; i < rows * scenario.kv_heads; ++i) {
        scales.push_back(0.01f + 0.003f * static_cast<float>(scale_rows == 0 ? 0 : i) +
                         (value ? 0.002f : 0));
      }
      vattn_tensor& tensor = value ? value_scale_ : key_scale_;
      GpuArray& array = value ? value_array_ : key_array_;
      Gpu(cudaMemcpy(array.data(), scales.data(), scales.size() * sizeof(float),
                     cudaMemcpyHostToDevice),
          "cudaMemcpy");
      tensor = {};
      tensor.data = array.data();
      tensor.dtype = VATTN_FLOAT32;
      tensor.device_type = VATTN_DEVICE_CUDA;
      tensor.rank = 2;
      tensor.shape[0] = rows;
      tensor.shape[1] = scenario.kv_heads;
      tensor.stride[0] = scenario.kv_heads;
      tensor.stride[1] = scale_rows == 0 ? 0 : 1;
    }
    vattn_config config{};
    config.size = sizeof(config);
    config.cache_kind = VATTN_PAGED;
    config.shape = view_.shape;
    config.pool_layout = VATTN_POOL_PAGED_ATTENTION;
    config.block_tokens = block;
    config.query_heads = scenario.query_heads;
    config.dtype = scenario.dtype;
    config.causal = 1;
    config.key_scale = &key_scale_;
    config.value_scale = &value_scale_;
    vattn_limits limits{};
    limits.size = sizeof(limits);
    limits.max_sequences = scenario.max_sequences;
    limits.max_tokens = scenario.max_tokens;
    limits.max_length = scenario.max_length;
    Must(Tested().table->plan_create(&config, &limits, &plan_, &error_));
  }
  ~Float8Scene() {
    if (plan_ != nullptr) Tested().table->plan_destroy(plan_);
    cudaStreamSynchronize(stream_.handle());
    cache_.api->detach_stream(cache_.cache, stream_.get(), &error_);
    cache_.api->release(cache_.cache);
  }
  Float8Scene(const Float8Scene&) = delete;
  Float8Scene& operator=(const Float8Scene&) = delete;

  vattn_sequence Add() {
    vattn_sequence sequence = 0;
    Must(cache_.api->allocate(cache_.cache, &sequence, &error_));
    return sequence;
  }

  struct Rows {
    vattn_sequence sequence;
    uint32_t query;
    uint32_t kv;
  };
  // Steps, appends, attends; what comes out against float64 arithmetic on what e4m3 keeps.
  void Pass(const std::vector<Rows>& batch, bool with_lse) {
    const auto count = static_cast<int32_t>(batch.size());
    std::vector<vattn_sequence> handles;
    std::vector<uint32_t> query, kv, slot(batch.size()), backed(batch.size()), kept(batch.size());
    std::vector<int32_t> table(batch.size() * static_cast<size_t>(view_.max_blocks));
    int64_t total = 0;
    for (const Rows& rows : batch) {
      handles.push_back(rows.sequence);
      query.push_back(rows.query);
      kv.push_back(rows.kv);
      total += rows.query;
    }
    vattn_step_result step{};
    step.size = sizeof(step);
    Must(cache_.api->step(cache_.cache, handles.data(), kv.data(), count, &step, &error_));
    CHECK_EQ(step.outcome, VATTN_STEP_OK);
    Must(cache_.api->wait_ready(cache_.cache, stream_.get(), &error_));
    vattn_rows rows{};
    rows.size = sizeof(rows);
    rows.slot = slot.data();
    rows.backed_length = backed.data();
    rows.first_kept = kept.data();
    rows.block_table = table.data();
    rows.block_table_stride = view_.max_blocks;
    Must(cache_.api->resolve(cache_.cache, handles.data(), count, &rows, &error_));
    vattn_batch pass{};
    pass.size = sizeof(pass);
    pass.count = count;
    pass.query_length = query.data();
    pass.kv_length = kv.data();
    pass.slot = slot.data();
    pass.backed_length = backed.data();
    pass.first_kept = kept.data();
    pass.block_table = table.data();
    pass.block_table_stride = view_.max_blocks;
    Must(Tested().table->plan_prepare(plan_, &view_, &pass, stream_.get(), &error_));

    const int32_t dtype = scenario_.dtype;
    GpuRows q(dtype, total, scenario_.query_heads, scenario_.head_dim, 8);
    GpuRows k(dtype, total, scenario_.kv_heads, scenario_.head_dim, 8);
    GpuRows v(dtype, total, scenario_.kv_heads, scenario_.head_dim, 8);
    GpuRows out(dtype, total, scenario_.query_heads, scenario_.head_dim, 8);
    GpuRows lse(VATTN_FLOAT32, total, scenario_.query_heads, 0, 0);
    int64_t row = 0;
    for (const Rows& part : batch) {
      const int64_t from = int64_t{part.kv} - part.query;
      const auto fill = [&](Operand operand, GpuRows* to) {
        to->Write(Tokens(scenario_, part.sequence, 0, operand, from, part.kv), row,
                  stream_.handle());
      };
      fill(Operand::kQuery, &q);
      fill(Operand::kKey, &k);
      fill(Operand::kValue, &v);
      row += part.query;
    }
    Must(Tested().table->plan_run(plan_, 0, &q.tensor(), &k.tensor(), &v.tensor(), &out.tensor(),
                                  with_lse ? &lse.tensor() : nullptr, &error_));
    const std::vector<float> outputs = out.Read(stream_.handle());
    std::vector<float> lses;
    if (with_lse) lses = lse.Read(stream_.handle());
    size_t at = 0;
    for (size_t i = 0; i < batch.size(); ++i) {
      at = Compare(batch[i], static_cast<int32_t>(slot[i]), outputs, lses, at);
    }
  }

 private:
  void Must(vattn_status status) {
    if (status != VATTN_OK) Fail(__FILE__, __LINE__, error_.message);
  }

  // Tokens [0, kv) as the cache gives them back.
  std::vector<double> Stored(Operand operand, vattn_sequence seed, int32_t slot,
                             uint32_t kv) const {
    const std::vector<uint16_t> tokens = Tokens(scenario_, seed, 0, operand, 0, kv);
    const std::vector<float> given = ToFloats(tokens.data(), tokens.size(), scenario_.dtype);
    const std::vector<float>& scales = operand == Operand::kKey ? key_scales_ : value_scales_;
    const size_t row = scale_rows_ > 1 ? static_cast<size_t>(slot * scenario_.kv_heads) : 0;
    std::vector<double> stored(given.size());
    for (size_t i = 0; i < given.size(); ++i) {
      const size_t head =
          i / static_cast<size_t>(scenario_.head_dim) % static_cast<size_t>(scenario_.kv_heads);
      const float scale = scales[row + head];
      const __nv_fp8_storage_t e4m3 =
          __nv_cvt_float_to_fp8(given[i] / scale, __NV_SATFINITE, __NV_E4M3);
      const __half_raw half = __nv_cvt_fp8_to_halfraw(e4m3, __NV_E4M3);
      stored[i] = static_cast<double>(__half2float(__half(half))) * static_cast<double>(scale);
    }
    return stored;
  }

  // Returns where the next sequence's results begin, in rows x heads.
  size_t Compare(const Rows& part, int32_t slot, const std::vector<float>& outputs,
                 const std::vector<float>& lses, size_t at) const {
    const auto dim = static_cast<size_t>(scenario_.head_dim);
    const auto kv_heads = static_cast<size_t>(scenario_.kv_heads);
    const auto heads = static_cast<size_t>(scenario_.query_heads);
    const uint32_t context = part.kv - part.query;
    const std::vector<double> keys = Stored(Operand::kKey, part.sequence, slot, part.kv);
    const std::vector<double> values = Stored(Operand::kValue, part.sequence, slot, part.kv);
    const std::vector<uint16_t> tokens =
        Tokens(scenario_, part.sequence, 0, Operand::kQuery, context, part.kv);
    const std::vector<float> queries = ToFloats(tokens.data(), tokens.size(), scenario_.dtype);
    const double scale = 1 / std::sqrt(static_cast<double>(dim));
    // Scales are folded into queries and outputs, which rounds both once more.
    const double bound = OutputBound(scenario_.dtype) * 3;
    for (size_t index = 0; index < part.query * heads; ++index, ++at) {
      const size_t seen = context + index / heads + 1;
      const size_t kv_head = index % heads / (heads / kv_heads);
      std::vector<double> scores(seen);
      double top = -std::numeric_limits<double>::infinity();
      for (size_t j = 0; j < seen; ++j) {
        for (size_t e = 0; e < dim; ++e) {
          scores[j] += static_cast<double>(queries[index * dim + e]) *
                       keys[(j * kv_heads + kv_head) * dim + e] * scale;
        }
        top = std::max(top, scores[j]);
      }
      double sum = 0;
      for (double& score : scores) sum += score = std::exp(score - top);
      for (size_t e = 0; e < dim; ++e) {
        double expected = 0;
        for (size_t j = 0; j < seen; ++j) {
          expected += scores[j] / sum * values[(j * kv_heads + kv_head) * dim + e];
        }
        CHECK_LE(std::abs(static_cast<double>(outputs[at * dim + e]) - expected), bound);
      }
      // Of queries that were rounded once more.
      if (!lses.empty()) CHECK_LE(std::abs(lses[at] - (top + std::log(sum))), 0.02);
    }
    return at;
  }

  const Scenario scenario_;
  const int32_t scale_rows_;
  GpuStream stream_;
  GpuArray key_array_{4096};
  GpuArray value_array_{4096};
  std::vector<float> key_scales_;
  std::vector<float> value_scales_;
  vattn_tensor key_scale_{};
  vattn_tensor value_scale_{};
  vattn_cache_ref cache_{};
  vattn_cache_view view_{};
  vattn_plan* plan_ = nullptr;
  Error error_;
};

TEST(CachesOfE4m3) {
  if (!WhyNoGpu().empty()) return;
  for (size_t form = 0; form < Tested().forms.size(); ++form) {
    for (const int32_t dtype : Tested().dtypes) {
      for (const int32_t scale_rows : {0, 1, 6}) {
        Scenario scenario = FirstScenario(form);
        scenario.dtype = dtype;
        scenario.max_sequences = 6;
        scenario.max_length = 1024;
        Float8Scene scene(scenario, scale_rows);
        const vattn_sequence a = scene.Add();
        const vattn_sequence b = scene.Add();
        const vattn_sequence c = scene.Add();
        scene.Pass({{a, 37, 37}, {b, 300, 300}, {c, 1, 1}}, true);
        scene.Pass({{a, 1, 38}, {b, 230, 530}, {c, 1, 2}}, false);
        scene.Pass({{c, 1, 3}, {b, 1, 531}, {a, 1, 39}}, false);  // version two
        scene.Pass({{c, 1, 4}, {b, 1, 532}, {a, 1, 40}}, true);
        scene.Pass({{c, 1, 5}, {a, 1, 41}}, false);  // version one
      }
    }
  }
}

#endif  // VATTN_CUDA_FP8

}  // namespace
}  // namespace vattention::testing

int main(int argc, char** argv) { return vattention::testing::RunGpuTests(argc, argv); }
