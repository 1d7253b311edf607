// What every attention backend on CUDA must do, over every cache it takes. Linked into each
// backend's test.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "tests/attention_cuda_fixture.h"
#include "tests/attention_cuda_reference.h"

namespace vattention::testing {
namespace {

using Ways = Scene::Ways;

// Every cache that the backend takes, with its first head dim and type; then the others with the
// first cache of each kind.
std::vector<Scenario> AllScenarios() {
  std::vector<Scenario> scenarios;
  const TestedBackend& tested = Tested();
  for (const CacheForm& form : tested.forms) {
    Scenario scenario;
    scenario.form = form;
    scenario.head_dim = tested.head_dims.front();
    scenario.dtype = tested.dtypes.front();
    scenarios.push_back(scenario);
  }
  for (const int32_t kind : {VATTN_CONTIGUOUS, VATTN_PAGED}) {
    const auto form = std::find_if(tested.forms.begin(), tested.forms.end(),
                                   [&](const CacheForm& f) { return f.kind == kind; });
    if (form == tested.forms.end()) continue;
    for (const int32_t head_dim : tested.head_dims) {
      for (const int32_t dtype : tested.dtypes) {
        if (head_dim == tested.head_dims.front() && dtype == tested.dtypes.front()) continue;
        Scenario scenario;
        scenario.form = *form;
        scenario.head_dim = head_dim;
        scenario.dtype = dtype;
        scenarios.push_back(scenario);
      }
    }
  }
  return scenarios;
}

std::vector<Scenario> FormScenarios() {
  std::vector<Scenario> scenarios;
  for (const CacheForm& form : Tested().forms) {
    Scenario scenario;
    scenario.form = form;
    scenario.head_dim = Tested().head_dims.front();
    scenario.dtype = Tested().dtypes.front();
    scenarios.push_back(scenario);
  }
  return scenarios;
}

// Prompts, chunks of prompts, decoding rows, nothing at all and empty sequences, in slots and rows
// in no order. `backed` more than what is there is NaN.
struct Lengths {
  uint32_t query;
  uint32_t kv;
};
constexpr Lengths kMixed[] = {{1, 300}, {37, 37}, {1, 1},   {130, 259}, {1, 128}, {64, 64},
                              {5, 0},   {1, 0},   {2, 515}, {0, 77},    {1, 129}, {129, 129}};

std::vector<Part> AddMixed(Scene* scene, bool poisoned) {
  std::vector<Part> parts;
  for (const Lengths& lengths : kMixed) {
    const uint32_t context = lengths.kv == 0 ? 0 : lengths.kv - lengths.query;
    // Something else in the slot next to it, and gone again when it is poisoned.
    const size_t other = scene->Add(50);
    const size_t sequence = scene->Add(context, poisoned ? lengths.kv + 70 : 0);
    parts.push_back({sequence, lengths.query, lengths.kv});
    scene->Poison(other, 0, 50);
    scene->Free(other);
  }
  std::reverse(parts.begin(), parts.end());
  std::swap(parts[2], parts[5]);
  return parts;
}

void RunMixed(const Scenario& scenario) {
  for (const bool poisoned : {false, true}) {
    Scene scene(scenario);
    const std::vector<Part> parts = AddMixed(&scene, poisoned);
    scene.Pass(parts);
    // The same sequences again, one token each: prompts have become decoding rows.
    std::vector<Part> next;
    for (const Part& part : parts) {
      if (part.kv > 0) next.push_back({part.sequence, 1, part.kv + 1});
    }
    scene.Pass(next);
  }
}

TEST(MixedBatches) {
  if (!WhyNoGpu().empty()) return;
  for (const Scenario& scenario : AllScenarios()) RunMixed(scenario);
}

TEST(RowsWithGapsAndRowsThatAreThere) {
  if (!WhyNoGpu().empty()) return;
  for (const Scenario& scenario : FormScenarios()) {
    Scene scene(scenario);
    const std::vector<Part> parts = AddMixed(&scene, false);
    scene.Pass(parts, {.gap = 8});
    // Without appending: tokens that the caller has written, or that are there from before.
    scene.Pass(parts, {.append = false, .lse = false});
  }
}

TEST(EveryLengthAroundATile) {
  if (!WhyNoGpu().empty()) return;
  for (Scenario scenario : FormScenarios()) {
    scenario.max_sequences = 32;
    scenario.max_tokens = 8192;
    Scene scene(scenario);
    std::vector<Part> together;
    for (const uint32_t length : {1u,   2u,   15u,  16u,  17u,  63u,  64u,  65u,  127u, 128u,
                                  129u, 175u, 176u, 177u, 191u, 192u, 193u, 255u, 256u, 257u}) {
      together.push_back({scene.Add(0), length, length});
    }
    scene.Pass(together);
    std::vector<Part> decode;
    for (const Part& part : together) decode.push_back({part.sequence, 1, part.kv + 1});
    scene.Pass(decode);
    for (const uint32_t length : {2u, 64u, 127u, 129u, 177u, 257u}) {
      const size_t alone = scene.Add(0);
      scene.Pass({{alone, length, length}});
      scene.Pass({{alone, 1, length + 1}});
      scene.Pass({{alone, 65, length + 66}});
      scene.Free(alone);
    }
  }
}

TEST(NothingIsReadPastTheLastPage) {
  if (!WhyNoGpu().empty()) return;
  for (Scenario scenario : FormScenarios()) {
    if (scenario.form.kind != VATTN_CONTIGUOUS || scenario.form.tail_rows > 0) continue;
    scenario.kv_heads = 8;
    scenario.layers = 3;
    // As many whole rows as two pages hold: behind the last one, nothing is mapped.
    const uint32_t parts = scenario.form.layout == VATTN_LAYOUT_SPLIT ? 1 : 6;
    const uint32_t row_bytes = parts * 8 * static_cast<uint32_t>(scenario.head_dim) * 2;
    const uint32_t rows = 2 * (2u << 20) / row_bytes;
    scenario.max_length = 2 * rows;
    Scene scene(scenario);
    const size_t a = scene.Add(rows - 100);
    scene.Pass({{a, 100, rows}});
    scene.Pass({{a, 1, rows}}, {.append = false});
    const size_t b = scene.Add(rows - 90);
    const size_t c = scene.Add(0);
    scene.Pass({{b, 90, rows}, {c, rows / 4, rows / 4}});
    scene.Pass({{c, 1, rows / 4}, {a, 1, rows}, {b, 1, rows}}, {.append = false});
    scene.Pass({{c, 60, rows / 4}, {a, 70, rows}, {b, 80, rows}}, {.append = false});
  }
}

TEST(TruncatedTokensAreForgotten) {
  if (!WhyNoGpu().empty()) return;
  for (const Scenario& scenario : FormScenarios()) {
    Scene scene(scenario);
    std::vector<Part> parts;
    for (const uint32_t length : {30u, 100u, 200u}) {
      const size_t sequence = scene.Add(length, length + 90);
      scene.Truncate(sequence, length);
      parts.push_back({sequence, 7, length + 7});
    }
    scene.Pass(parts);
  }
}

TEST(GroupsOfHeads) {
  if (!WhyNoGpu().empty()) return;
  constexpr struct {
    int32_t query_heads;
    int32_t kv_heads;
  } kHeads[] = {{4, 4}, {32, 8}, {16, 1}, {12, 4}, {14, 2}};
  for (Scenario scenario : FormScenarios()) {
    for (const auto& heads : kHeads) {
      scenario.query_heads = heads.query_heads;
      scenario.kv_heads = heads.kv_heads;
      Scene scene(scenario);
      scene.Pass({{scene.Add(140), 1, 141}, {scene.Add(20), 50, 70}, {scene.Add(0), 33, 33}});
      scene.Pass({{scene.Add(11), 1, 12}});
      scene.Pass({{scene.Add(150), 40, 190}});
    }
  }
}

TEST(WithoutAMask) {
  if (!WhyNoGpu().empty() || !Tested().non_causal) return;
  for (Scenario scenario : AllScenarios()) {
    scenario.causal = false;
    RunMixed(scenario);
    Scene scene(scenario);
    scene.Pass({{scene.Add(0), 200, 200}});
  }
}

TEST(Windows) {
  if (!WhyNoGpu().empty() || !Tested().window) return;
  Scenario first = FormScenarios().front();
  for (const int32_t window : {1, 128, 5000}) {
    first.window = window;
    RunMixed(first);
  }
  for (Scenario scenario : AllScenarios()) {
    for (const int32_t window : {19, 400}) {
      scenario.window = window;
      RunMixed(scenario);
    }
    scenario.window = 40;
    Scene scene(scenario);
    scene.Pass({{scene.Add(100), 120, 220}});
    if (!Tested().non_causal) continue;
    scenario.causal = false;
    RunMixed(scenario);
  }
}

TEST(TokensThatSlidAway) {
  if (!WhyNoGpu().empty() || !Tested().window) return;
  for (Scenario scenario : FormScenarios()) {
    scenario.window = 100;
    scenario.kv_heads = 8;
    scenario.max_length = 8192;
    scenario.max_tokens = 8192;
    scenario.max_sequences = 4;
    scenario.layers = 3;
    Scene scene(scenario);
    const size_t a = scene.Add(5000);
    const size_t b = scene.Add(3000);
    scene.Slide(a, 4901);
    scene.Slide(b, 2850);
    scene.Pass({{a, 1, 5001}, {b, 30, 3030}});
    scene.Slide(a, 4902);
    scene.Pass({{b, 1, 3031}, {a, 1, 5002}});
    scene.Pass({{a, 150, 5152}});
  }
}

TEST(SoftCaps) {
  if (!WhyNoGpu().empty() || !Tested().soft_cap) return;
  for (Scenario scenario : AllScenarios()) {
    scenario.soft_cap = 1.5f;
    RunMixed(scenario);
    Scene scene(scenario);
    scene.Pass({{scene.Add(100), 120, 220}});
  }
}

TEST(Alibi) {
  if (!WhyNoGpu().empty() || !Tested().alibi) return;
  for (Scenario scenario : AllScenarios()) {
    scenario.alibi = Slopes(scenario.query_heads);
    RunMixed(scenario);
    Scene scene(scenario);
    scene.Pass({{scene.Add(100), 120, 220}});
  }
}

// Few sequences, long ones among them: keys are split.
TEST(LongSequencesAmongShortOnes) {
  if (!WhyNoGpu().empty()) return;
  for (Scenario scenario : FormScenarios()) {
    scenario.max_length = 16384;
    scenario.max_sequences = 6;
    scenario.max_tokens = 512;
    scenario.layers = 1;
    Scene scene(scenario);
    const size_t longest = scene.Add(12000);
    const size_t empty = scene.Add(0);
    scene.Pass({{longest, 1, 12001}});
    scene.Pass({{scene.Add(99), 1, 100}, {longest, 1, 12002}, {empty, 1, 0}});
    scene.Pass({{longest, 3, 12005}, {scene.Add(6), 2, 8}});
    scene.Pass({{longest, 20, 12025}});
    scene.Pass({{longest, 1, 12026}, {scene.Add(8000), 1, 8001}});
  }
}

TEST(RowsDoNotDependOnTheirBatch) {
  if (!WhyNoGpu().empty() || !Tested().batch_invariant) return;
  for (Scenario scenario : FormScenarios()) {
    scenario.batch_invariant = true;
    scenario.max_length = 8192;
    Scene scene(scenario);
    const size_t a = scene.Add(6000);
    const size_t b = scene.Add(210);
    const std::vector<Result> alone = scene.Pass({{a, 1, 6001}});
    const std::vector<Result> chunk = scene.Pass({{b, 90, 300}});
    const size_t c = scene.AddTwin(a, 6000);
    const size_t d = scene.AddTwin(b, 210);
    const std::vector<Result> among = scene.Pass({{scene.Add(100), 200, 300},
                                                  {c, 1, 6001},
                                                  {scene.Add(0), 3, 3},
                                                  {d, 90, 300},
                                                  {scene.Add(400), 1, 401}});
    const size_t row = static_cast<size_t>(scenario.query_heads * scenario.head_dim);
    const auto heads = static_cast<size_t>(scenario.query_heads);
    for (size_t layer = 0; layer < alone.size(); ++layer) {
      const auto same = [&](const Result& one, size_t rows, size_t first) {
        return std::memcmp(one.output.data(), &among[layer].output[first * row],
                           rows * row * sizeof(float)) == 0 &&
               std::memcmp(one.lse.data(), &among[layer].lse[first * heads],
                           rows * heads * sizeof(float)) == 0;
      };
      CHECK(same(alone[layer], 1, 200));
      CHECK(same(chunk[layer], 90, 204));
    }
  }
}

// A captured graph.
class Graph {
 public:
  template <typename Work>
  Graph(const GpuStream& stream, const Work& work) : stream_(stream) {
    Gpu(cudaStreamBeginCapture(stream.handle(), cudaStreamCaptureModeThreadLocal),
        "cudaStreamBeginCapture");
    work();
    cudaGraph_t graph = nullptr;
    Gpu(cudaStreamEndCapture(stream.handle(), &graph), "cudaStreamEndCapture");
    Gpu(cudaGraphInstantiate(&graph_, graph, 0), "cudaGraphInstantiate");
    Gpu(cudaGraphDestroy(graph), "cudaGraphDestroy");
  }
  ~Graph() { cudaGraphExecDestroy(graph_); }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  void Launch() const { Gpu(cudaGraphLaunch(graph_, stream_.handle()), "cudaGraphLaunch"); }

 private:
  const GpuStream& stream_;
  cudaGraphExec_t graph_ = nullptr;
};

TEST(GraphsReplayWithNewLengths) {
  if (!WhyNoGpu().empty()) return;
  for (Scenario scenario : FormScenarios()) {
    for (const int32_t sequences : {1, 5}) {
      scenario.graph_sequences = sequences;
      scenario.graph_max_length = 4096;
      scenario.max_length = 8192;
      Scene scene(scenario);
      std::vector<size_t> all;
      std::vector<Part> parts;
      for (int32_t i = 0; i < sequences; ++i) {
        const auto length = static_cast<uint32_t>(40 + 300 * i);
        all.push_back(scene.Add(length));
        parts.push_back({all.back(), 1, length + 1});
      }
      std::vector<Scene::Operands> operands;
      for (int32_t layer = 0; layer < scenario.layers; ++layer) {
        operands.push_back(scene.MakeOperands(sequences));
      }
      const auto run = [&] {
        for (int32_t layer = 0; layer < scenario.layers; ++layer) {
          scene.Run(layer, &operands[static_cast<size_t>(layer)], Ways{});
        }
      };
      scene.Step(parts);
      scene.Prepare(parts);
      const Graph graph(scene.stream(), run);
      const auto replay = [&](const std::vector<Part>& batch, int times) {
        scene.Step(batch);
        for (int32_t layer = 0; layer < scenario.layers; ++layer) {
          scene.Fill(batch, layer, &operands[static_cast<size_t>(layer)]);
        }
        scene.Prepare(batch);
        for (int i = 0; i < times; ++i) graph.Launch();
        for (int32_t layer = 0; layer < scenario.layers; ++layer) {
          scene.CheckResult(batch, layer, scene.Read(operands[static_cast<size_t>(layer)], true));
        }
        scene.CheckAppended(batch);
      };
      replay(parts, 1);
      replay(parts, 3);
      for (int round = 0; round < 3; ++round) {
        for (Part& part : parts) ++part.kv;
        replay(parts, 1);
      }
      // Another, much longer sequence, and fewer of them.
      const size_t longer = scene.Add(4000);
      parts[0] = {longer, 1, 4001};
      replay(parts, 2);
      parts.resize(1);
      replay(parts, 1);
      replay({}, 1);
      scene.Free(all.back());
      parts = {{longer, 1, 4002}};
      replay(parts, 1);
    }
  }
}

TEST(PartialResultsMerge) {
  if (!WhyNoGpu().empty() || !Tested().non_causal) return;
  for (Scenario scenario : FormScenarios()) {
    scenario.causal = false;
    scenario.layers = 1;
    Scene scene(scenario);
    const size_t whole = scene.Add(300);
    const size_t part = scene.AddTwin(whole, 170);
    constexpr int64_t kRows = 20;
    // The same queries see tokens [0, 170) and [170, 300) of which the second are a sequence too.
    const size_t rest = scene.Add(130);
    scene.CopyTokens(whole, 170, 300, rest, 0);
    Scene::Operands queries = scene.MakeOperands(kRows);
    scene.Fill({{whole, kRows, 300}}, 0, &queries);
    const auto attend = [&](size_t sequence, uint32_t kv, GpuRows* output, GpuRows* lse) {
      scene.Prepare({{sequence, kRows, kv}});
      Error error;
      const vattn_status status =
          Tested().table->plan_run(scene.plan(), 0, &queries.query->tensor(), nullptr, nullptr,
                                   &output->tensor(), &lse->tensor(), &error);
      if (status != VATTN_OK) Fail(__FILE__, __LINE__, error.message);
    };
    Scene::Operands first = scene.MakeOperands(kRows);
    Scene::Operands second = scene.MakeOperands(kRows);
    attend(part, 170, first.output.get(), first.lse.get());
    attend(rest, 130, second.output.get(), second.lse.get());
    const vattn_partial partials[] = {{first.output->tensor(), first.lse->tensor()},
                                      {second.output->tensor(), second.lse->tensor()}};
    Error error;
    CHECK_EQ(Tested().table->merge(partials, 2, &queries.output->tensor(), &queries.lse->tensor(),
                                   scene.stream().get(), &error),
             VATTN_OK);
    scene.CheckResult({{whole, kRows, 300}}, 0, scene.Read(queries, true));
  }
}

TEST(AnothersFailureIsNotOurs) {
  if (!WhyNoGpu().empty()) return;
  Scene scene(FormScenarios().front());
  const std::vector<Part> parts = {{scene.Add(30), 1, 31}, {scene.Add(0), 40, 40}};
  scene.Step(parts);
  scene.Prepare(parts);
  Scene::Operands operands = scene.MakeOperands(41);
  scene.Fill(parts, 0, &operands);
  CHECK_NE(cudaSetDevice(12345), cudaSuccess);  // remembered by the runtime until it is asked for
  scene.Run(0, &operands, Ways{});
  scene.CheckResult(parts, 0, scene.Read(operands, true));
}

TEST(WhatPlansHoldComesBack) {
  if (!WhyNoGpu().empty()) return;
  Scene scene(FormScenarios().front());
  CHECK_GT(Tested().table->plan_workspace_bytes(scene.plan()), 0u);
  const vattn_config config = scene.MakeConfig();
  const vattn_limits limits = scene.MakeLimits();
  const auto cycle = [&] {
    vattn_plan* plan = nullptr;
    Error error;
    CHECK_EQ(Tested().table->plan_create(&config, &limits, &plan, &error), VATTN_OK);
    Tested().table->plan_destroy(plan);
  };
  const auto free_bytes = [] {
    size_t free = 0;
    size_t total = 0;
    Gpu(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    return free;
  };
  cycle();
  const size_t before = free_bytes();
  for (int i = 0; i < 20; ++i) cycle();
  CHECK_EQ(free_bytes(), before);
}

void CheckRefused(vattn_status status, vattn_status expected, const Error& error,
                  const char* word) {
  CHECK_EQ(status, expected);
  if (std::string(error.message).find(word) == std::string::npos) {
    Fail(__FILE__, __LINE__, std::string("\"") + word + "\" is not in: " + error.message);
  }
}

TEST(PlansThatCannotBe) {
  if (!WhyNoGpu().empty()) return;
  Scene scene(FormScenarios().front());
  const auto refused = [&](vattn_status expected, const char* word, const auto& change) {
    vattn_config config = scene.MakeConfig();
    vattn_limits limits = scene.MakeLimits();
    change(&config, &limits);
    vattn_plan* plan = nullptr;
    Error error;
    CheckRefused(Tested().table->plan_create(&config, &limits, &plan, &error), expected, error,
                 word);
    CHECK(plan == nullptr);
  };
  refused(VATTN_UNSUPPORTED, "Head dim",
          [](vattn_config* c, vattn_limits*) { c->shape.head_dim = c->shape.value_head_dim = 40; });
  refused(VATTN_UNSUPPORTED, "Dtype",
          [](vattn_config* c, vattn_limits*) { c->dtype = c->shape.dtype = VATTN_FLOAT32; });
  refused(VATTN_INVALID_ARGUMENT, "Query heads",
          [](vattn_config* c, vattn_limits*) { c->query_heads = 9; });
  refused(VATTN_INVALID_ARGUMENT, "Graph", [](vattn_config*, vattn_limits* l) {
    l->graph_sequences = l->max_sequences + 1;
    l->graph_max_length = 10;
  });
  const std::vector<float> sinks(64, 0.0f);
  refused(VATTN_UNSUPPORTED, "sinks",
          [&](vattn_config* c, vattn_limits*) { c->sinks = sinks.data(); });
  if (!Tested().alibi) {
    refused(VATTN_UNSUPPORTED, "ALiBi",
            [&](vattn_config* c, vattn_limits*) { c->alibi_slopes = sinks.data(); });
  }
  if (!Tested().soft_cap) {
    refused(VATTN_UNSUPPORTED, "soft cap",
            [](vattn_config* c, vattn_limits*) { c->soft_cap = 30; });
  }
  // Log-sum-exps alone would take half a terabyte.
  refused(VATTN_OUT_OF_MEMORY, "memory", [](vattn_config* c, vattn_limits* l) {
    c->query_heads = 64;
    l->max_tokens = std::numeric_limits<int32_t>::max();
  });
}

TEST(PassesThatCannotBe) {
  if (!WhyNoGpu().empty()) return;
  Scenario scenario = FormScenarios().front();
  scenario.max_tokens = 100;
  Scene scene(scenario);
  const size_t sequence = scene.Add(60);
  Scene::Operands operands = scene.MakeOperands(1);
  Error error;
  CheckRefused(scene.TryRun(0, &operands, Ways{}, &error), VATTN_INVALID_ARGUMENT, error,
               "prepare");
  CheckRefused(scene.TryPrepare({{sequence, 1, 5000}}, &error), VATTN_INVALID_ARGUMENT, error,
               "kv_length");
  CheckRefused(scene.TryPrepare({{sequence, 1, 61}}, &error), VATTN_NOT_BACKED, error, "backed");
  scene.Step({{sequence, 1, 200}});
  CheckRefused(scene.TryPrepare({{sequence, 101, 200}}, &error), VATTN_INVALID_ARGUMENT, error,
               "query_length");
  CheckRefused(scene.TryPrepare({{sequence, 20, 10}}, &error), VATTN_INVALID_ARGUMENT, error,
               "kv_length");

  scene.Prepare({{sequence, 1, 61}});
  CheckRefused(scene.TryRun(2, &operands, Ways{}, &error), VATTN_INVALID_ARGUMENT, error, "layer");
  Scene::Operands wrong = scene.MakeOperands(2);
  CheckRefused(scene.TryRun(0, &wrong, Ways{}, &error), VATTN_INVALID_ARGUMENT, error, "query");
  operands.query->tensor().data = static_cast<char*>(operands.query->tensor().data) + 2;
  CheckRefused(scene.TryRun(0, &operands, Ways{}, &error), VATTN_INVALID_ARGUMENT, error, "16");
  operands.query->tensor().data = static_cast<char*>(operands.query->tensor().data) - 2;
  operands.query->tensor().device_type = VATTN_DEVICE_CPU;
  CheckRefused(scene.TryRun(0, &operands, Ways{}, &error), VATTN_INVALID_ARGUMENT, error, "device");
  operands.query->tensor().device_type = VATTN_DEVICE_CUDA;
  // After all that, a pass as any other.
  scene.Pass({{sequence, 1, 61}});
}

TEST(GraphPlansSayWhatDoesNotFit) {
  if (!WhyNoGpu().empty()) return;
  Scenario scenario = FormScenarios().front();
  scenario.graph_sequences = 2;
  scenario.graph_max_length = 100;
  Scene scene(scenario);
  const size_t a = scene.Add(90, 300);
  const size_t b = scene.Add(10);
  const size_t c = scene.Add(10);
  scene.Step({{a, 1, 91}, {b, 1, 11}, {c, 1, 11}});
  Error error;
  CheckRefused(scene.TryPrepare({{a, 2, 92}}, &error), VATTN_INVALID_ARGUMENT, error,
               "query_length");
  CheckRefused(scene.TryPrepare({{a, 1, 101}}, &error), VATTN_INVALID_ARGUMENT, error, "kv_length");
  CheckRefused(scene.TryPrepare({{a, 1, 91}, {b, 1, 11}, {c, 1, 11}}, &error),
               VATTN_INVALID_ARGUMENT, error, "count");
  Gpu(cudaStreamBeginCapture(scene.stream().handle(), cudaStreamCaptureModeThreadLocal),
      "cudaStreamBeginCapture");
  const vattn_status captured = scene.TryPrepare({{a, 1, 91}}, &error);
  cudaGraph_t graph = nullptr;
  Gpu(cudaStreamEndCapture(scene.stream().handle(), &graph), "cudaStreamEndCapture");
  Gpu(cudaGraphDestroy(graph), "cudaGraphDestroy");
  CheckRefused(captured, VATTN_INVALID_ARGUMENT, error, "captured");
}

// Needs no GPU: on a machine without one, an error says so.
TEST(WithoutADevicePlansSayWhy) {
  vattn_config config{};
  config.size = sizeof(config);
  const CacheForm& form = Tested().forms.front();
  config.cache_kind = form.kind;
  config.pool_layout = form.pool_layout;
  config.block_tokens = form.block_tokens;
  const int32_t dim = Tested().head_dims.front();
  config.shape = {sizeof(vattn_cache_shape), 1, 2, dim, dim, Tested().dtypes.front(), 4, 1024};
  config.query_heads = 4;
  config.dtype = Tested().dtypes.front();
  config.causal = 1;
  vattn_limits limits{};
  limits.size = sizeof(limits);
  limits.max_sequences = 4;
  limits.max_tokens = 64;
  limits.max_length = 1024;
  limits.device_index = 1000;
  vattn_plan* plan = nullptr;
  Error error;
  CHECK_EQ(Tested().table->plan_create(&config, &limits, &plan, &error), VATTN_DEVICE_ERROR);
  CHECK(plan == nullptr);
  CHECK_NE(std::string(error.driver_call), "");
  CHECK_NE(error.driver_code, 0);
}

}  // namespace
}  // namespace vattention::testing
