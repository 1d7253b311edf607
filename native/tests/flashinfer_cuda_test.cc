// FlashInfer through its C table, without JavaScript: how it finds rows, on any machine, and on a
// GPU what all backends must do (attention_cuda_cases.cc) and what only it does.
#include <cuda_fp8.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "attention/built.h"
#include "attention/cuda/device_buffer.h"
#include "attention/flashinfer/dispatch.h"
#include "attention/flashinfer/flashinfer_backend.h"
#include "attention/flashinfer/page_geometry.h"
#include "attention/flashinfer/page_indices.h"
#include "attention/flashinfer/tile_schedule.h"
#include "tests/attention_cuda_built.h"
#include "tests/attention_cuda_fixture.h"
#include "tests/attention_cuda_reference.h"

namespace vattention::testing {

const TestedBackend& Tested() {
  static const TestedBackend tested = [] {
    TestedBackend backend{};
    backend.table = vattn_flashinfer_backend();
    for (const int32_t layout : {VATTN_LAYOUT_INTERLEAVED, VATTN_LAYOUT_SPLIT}) {
      backend.forms.push_back({VATTN_CONTIGUOUS, layout, 0, 0, VATTN_POOL_NHD});
    }
    for (const int32_t block_tokens : {16, 1, 32, 64, 128, 256}) {
      backend.forms.push_back({VATTN_PAGED, 0, 0, block_tokens, VATTN_POOL_NHD});
    }
    for (const int32_t head_dim : {64, 128, 256}) {
      if (flashinfer::ServesHeadDim(head_dim)) backend.head_dims.push_back(head_dim);
    }
    backend.dtypes = BuiltDtypes();
    backend.window = true;
    backend.soft_cap = true;
    backend.alibi = true;
    backend.non_causal = true;
    backend.batch_invariant = true;
    backend.sums_rounded = true;
    return backend;
  }();
  return tested;
}

namespace {

using attention::Problem;
using flashinfer::CacheGeometry;
using flashinfer::kPageTokens;
using flashinfer::MakeCacheGeometry;
using flashinfer::PageGeometry;
using flashinfer::PageSteps;
using flashinfer::ScheduleBuffers;
using flashinfer::ScheduleInput;
using flashinfer::TileSchedule;

// --- Without a GPU.

struct Strides {
  int64_t slot;
  int64_t token;
};

vattn_tensor MakeTensor(const Strides& strides, int64_t slots, int64_t tokens) {
  vattn_tensor tensor{};
  tensor.data = reinterpret_cast<void*>(uintptr_t{1} << 30);
  tensor.dtype = VATTN_BFLOAT16;
  tensor.device_type = VATTN_DEVICE_CUDA;
  tensor.rank = 4;
  const int64_t shape[] = {slots, tokens, 8, 128};
  const int64_t stride[] = {strides.slot, strides.token, 128, 1};
  std::copy_n(shape, 4, tensor.shape);
  std::copy_n(stride, 4, tensor.stride);
  return tensor;
}

// A contiguous cache of a layer for each pair of keys' and values' strides.
struct View {
  View(const std::vector<std::pair<Strides, Strides>>& layers, int64_t slots, int64_t tokens) {
    for (const auto& [key, value] : layers) {
      keys.push_back(MakeTensor(key, slots, tokens));
      values.push_back(MakeTensor(value, slots, tokens));
    }
    problem.cache_kind = VATTN_CONTIGUOUS;
    problem.shape.layers = static_cast<int32_t>(layers.size());
    view.key = keys.data();
    view.value = values.data();
  }
  vattn_status Make() { return MakeCacheGeometry(problem, view, &geometry, &error); }

  std::vector<vattn_tensor> keys;
  std::vector<vattn_tensor> values;
  Problem problem{};
  vattn_cache_view view{};
  CacheGeometry geometry;
  Error error;
};

// That every row is where the kernels look for it.
void CheckRows(const vattn_tensor& tensor, int64_t page_stride, const PageSteps& steps) {
  CHECK_LE(page_stride, int64_t{std::numeric_limits<uint32_t>::max()});
  for (const int64_t slot : {int64_t{0}, int64_t{1}, tensor.shape[0] - 1}) {
    for (const int64_t token : {int64_t{0}, int64_t{kPageTokens - 1}, int64_t{kPageTokens},
                                tensor.shape[1] / 2, tensor.shape[1] - 1}) {
      const int64_t index = slot * steps.slot + token / kPageTokens * steps.page;
      CHECK_LE(index, int64_t{std::numeric_limits<int32_t>::max()});
      CHECK_EQ(index * page_stride + token % kPageTokens * tensor.stride[1],
               slot * tensor.stride[0] + token * tensor.stride[1]);
    }
  }
}

void CheckAllRows(View* view) {
  CHECK_EQ(view->Make(), VATTN_OK);
  CHECK_EQ(view->geometry.layers.size(), view->keys.size());
  for (size_t layer = 0; layer < view->keys.size(); ++layer) {
    const PageGeometry& pages = view->geometry.layers[layer];
    const PageSteps& steps = view->geometry.steps[pages.steps];
    CheckRows(view->keys[layer], pages.key_page_stride, steps);
    CheckRows(view->values[layer], pages.value_page_stride, steps);
  }
}

TEST(EveryRowIsFound) {
  constexpr int64_t kRow = 8 * 128;
  // Llama-3-8B interleaved, 256 slots of 128K tokens.
  const Strides interleaved = {131072 * 64 * kRow, 64 * kRow};
  View large({{interleaved, interleaved}}, 256, 131072);
  CheckAllRows(&large);
  CHECK_EQ(large.geometry.steps.size(), 1u);
  CHECK(large.geometry.same_strides);
  // Slots that are no whole number of pages, nor of rows.
  for (const int64_t slot : {1000 * kRow, 1001 * kRow, 1000 * kRow + 4096, 1000 * kRow + 8}) {
    View odd({{{slot, kRow}, {slot, kRow}}}, 40, 1000);
    CheckAllRows(&odd);
  }
}

TEST(LayersOfOtherRowSizesHaveIndicesOfTheirOwn) {
  constexpr int64_t kRow = 8 * 128;
  const int64_t slot = 4096 * 48 * kRow;
  const Strides eight = {slot, 8 * 2 * kRow};
  const Strides six = {slot, 6 * 2 * kRow};
  View view({{eight, eight}, {eight, eight}, {six, six}, {eight, eight}}, 16, 4096);
  CheckAllRows(&view);
  CHECK_EQ(view.geometry.steps.size(), 2u);
  CHECK_EQ(view.geometry.layers[0].steps, view.geometry.layers[3].steps);
  CHECK_NE(view.geometry.layers[0].steps, view.geometry.layers[2].steps);
}

TEST(KeysAndValuesShareIndices) {
  constexpr int64_t kRow = 8 * 128;
  View view({{{2048 * 3 * kRow, 3 * kRow}, {2048 * kRow, kRow}}}, 16, 2048);
  CheckAllRows(&view);
  CHECK(!view.geometry.same_strides);
  View other({{{2048 * kRow, kRow}, {2049 * kRow, kRow}}}, 16, 2048);
  CHECK_EQ(other.Make(), VATTN_UNSUPPORTED);
  CHECK(std::string(other.error.message).find("as many rows") != std::string::npos);
}

TEST(WhatIndicesCannotReachIsRefused) {
  constexpr int64_t kRow = 8 * 128;
  // One element off the alignment of everything else: indices of 8 elements.
  const Strides fine = {(int64_t{1} << 36) + 8, kRow};
  View view({{fine, fine}}, 1000, 2048);
  CHECK_EQ(view.Make(), VATTN_UNSUPPORTED);
  CHECK(std::string(view.error.message).find("32-bit") != std::string::npos);
  const Strides unaligned = {2048 * kRow + 4, kRow};
  View off({{unaligned, unaligned}}, 4, 2048);
  CHECK_EQ(off.Make(), VATTN_UNSUPPORTED);
  CHECK(std::string(off.error.message).find("16 bytes") != std::string::npos);
  const Strides far = {int64_t{1} << 45, int64_t{1} << 33};
  View wide({{far, far}}, 4, 2048);
  CHECK_EQ(wide.Make(), VATTN_UNSUPPORTED);
}

TEST(WhatWasBuilt) {
  const std::string built = vattn_flashinfer_built();
  CHECK(built.find("\"headDims\":[" + flashinfer::ServedHeadDims() + "]") != std::string::npos);
  CHECK(built.find("\"softCap\":true") != std::string::npos);
  CHECK_EQ(std::string(vattn_flashinfer_backend()->name), "flashinfer");
  CHECK(!flashinfer::ServesHeadDim(96));
}

// --- On a GPU.

TEST(LayerGroupsWithARest) {
  if (!WhyNoGpu().empty()) return;
  Scenario scenario;
  scenario.form = {VATTN_CONTIGUOUS, VATTN_LAYOUT_LAYER_GROUP, 0, 0, VATTN_POOL_NHD, 2};
  scenario.head_dim = Tested().head_dims.front();
  scenario.dtype = Tested().dtypes.front();
  scenario.layers = 3;
  Scene scene(scenario);
  CHECK_NE(scene.view().key[0].stride[1], scene.view().key[2].stride[1]);
  const size_t a = scene.Add(200);
  const size_t b = scene.Add(0);
  scene.Pass({{b, 140, 140}, {a, 1, 201}});
  scene.Pass({{a, 1, 202}, {b, 1, 141}});
}

TEST(SoftCapAndAlibiAndWindowTogether) {
  if (!WhyNoGpu().empty()) return;
  Scenario scenario;
  scenario.form = Tested().forms.front();
  scenario.head_dim = Tested().head_dims.front();
  scenario.dtype = Tested().dtypes.front();
  scenario.soft_cap = 2.5f;
  scenario.alibi = Slopes(scenario.query_heads);
  scenario.window = 70;
  for (const bool causal : {true, false}) {
    scenario.causal = causal;
    Scene scene(scenario);
    scene.Pass({{scene.Add(170), 1, 171}, {scene.Add(90), 60, 150}, {scene.Add(0), 33, 33}});
  }
}

// Caches of ours have equal strides; another's need not.
TEST(KeysAndValuesOfDifferentStrides) {
  if (!WhyNoGpu().empty()) return;
  Scenario scenario;
  scenario.head_dim = Tested().head_dims.front();
  scenario.dtype = Tested().dtypes.front();
  scenario.layers = 1;
  scenario.max_sequences = 4;
  scenario.max_length = 512;
  const int64_t heads = scenario.kv_heads;
  const int64_t row = heads * scenario.head_dim;
  constexpr struct {
    uint32_t slot, query, kv;
  } kParts[] = {{2, 1, 300}, {0, 40, 200}, {3, 1, 9}};

  GpuStream stream;
  GpuArray memory(static_cast<size_t>(4 * 512 * 3 * row * 2));
  Gpu(cudaMemset(memory.data(), 0xFF, memory.bytes()), "cudaMemset");
  // Keys at the first of two rows, values behind all of them.
  vattn_tensor tensors[2];
  for (int i = 0; i < 2; ++i) {
    const int64_t step = i == 0 ? 2 * row : row;
    tensors[i] = MakeTensor({512 * step, step}, 4, 512);
    tensors[i].data = memory.data() + (i == 0 ? 0 : 4 * 512 * 2 * row * 2);
    tensors[i].dtype = scenario.dtype;
    tensors[i].shape[2] = heads;
    tensors[i].shape[3] = tensors[i].stride[2] = scenario.head_dim;
    for (const auto& part : kParts) {
      const std::vector<uint16_t> rows =
          Tokens(scenario, part.slot, 0, i == 0 ? Operand::kKey : Operand::kValue, 0, part.kv);
      const auto width = static_cast<size_t>(row * 2);
      Gpu(cudaMemcpy2D(static_cast<char*>(tensors[i].data) + part.slot * 512 * step * 2,
                       static_cast<size_t>(step * 2), rows.data(), width, width, part.kv,
                       cudaMemcpyHostToDevice),
          "cudaMemcpy2D");
    }
  }
  vattn_cache_view view{};
  view.size = sizeof(view);
  view.kind = VATTN_CONTIGUOUS;
  view.shape = {sizeof(vattn_cache_shape),
                1,
                scenario.kv_heads,
                scenario.head_dim,
                scenario.head_dim,
                scenario.dtype,
                4,
                512};
  view.key = &tensors[0];
  view.value = &tensors[1];
  vattn_config config{};
  config.size = sizeof(config);
  config.cache_kind = VATTN_CONTIGUOUS;
  config.shape = view.shape;
  config.query_heads = scenario.query_heads;
  config.dtype = scenario.dtype;
  config.causal = 1;
  config.needs_lse = 1;
  vattn_limits limits{};
  limits.size = sizeof(limits);
  limits.max_sequences = 4;
  limits.max_tokens = 64;
  limits.max_length = 512;
  const vattn_backend& table = *Tested().table;
  vattn_plan* plan = nullptr;
  Error error;
  CHECK_EQ(table.plan_create(&config, &limits, &plan, &error), VATTN_OK);
  std::vector<uint32_t> slot, query, kv;
  GpuRows queries(scenario.dtype, 42, scenario.query_heads, scenario.head_dim, 0);
  GpuRows output(scenario.dtype, 42, scenario.query_heads, scenario.head_dim, 0);
  for (const auto& part : kParts) {
    int64_t first = 0;
    for (const uint32_t rows : query) first += rows;
    queries.Write(Tokens(scenario, part.slot, 0, Operand::kQuery, part.kv - part.query, part.kv),
                  first, stream.handle());
    slot.push_back(part.slot);
    query.push_back(part.query);
    kv.push_back(part.kv);
  }
  vattn_batch batch{};
  batch.size = sizeof(batch);
  batch.count = 3;
  batch.query_length = query.data();
  batch.kv_length = kv.data();
  batch.backed_length = kv.data();
  batch.slot = slot.data();
  CHECK_EQ(table.plan_prepare(plan, &view, &batch, stream.get(), &error), VATTN_OK);
  CHECK_EQ(table.plan_run(plan, 0, &queries.tensor(), nullptr, nullptr, &output.tensor(), nullptr,
                          &error),
           VATTN_OK);
  const std::vector<float> found = output.Read(stream.handle());
  table.plan_destroy(plan);
  size_t at = 0;
  for (const auto& part : kParts) {
    const Result want = Reference(scenario, part.slot, 0, part.query, part.kv);
    for (const float expected : want.output) {
      CHECK_LE(std::abs(found[at++] - expected), OutputBound(scenario.dtype));
    }
  }
  CHECK_EQ(at, found.size());
}

// Whole prompts are appended to an e4m3 cache, then attended to. `scale`: of (slot, head).
void RunEightBits(int32_t kind, float (*scale)(int64_t slot, int64_t head)) {
  constexpr int64_t kSlots = 4;
  constexpr int64_t kLength = 512;
  constexpr int64_t kBlock = 16;
  constexpr struct {
    uint32_t slot, query, kv;
  } kParts[] = {{2, 1, 300}, {0, 40, 40}, {1, 17, 129}};
  constexpr size_t kCount = std::size(kParts);
  const bool paged = kind == VATTN_PAGED;
  Scenario scenario;
  scenario.head_dim = Tested().head_dims.front();
  scenario.dtype = Tested().dtypes.front();
  const int64_t heads = scenario.kv_heads;
  const int64_t dim = scenario.head_dim;
  const int64_t row = heads * dim;

  GpuStream stream;
  GpuArray memory(static_cast<size_t>(2 * kSlots * kLength * row));
  Gpu(cudaMemset(memory.data(), 0xFF, memory.bytes()), "cudaMemset");  // NaN
  vattn_tensor tensors[2];
  GpuArray numbers(static_cast<size_t>(2 * kSlots * heads) * sizeof(float));
  vattn_tensor scales[2];
  std::vector<float> scale_of[2];
  for (int i = 0; i < 2; ++i) {
    const int64_t tokens = paged ? kBlock : kLength;
    const int64_t slots = kSlots * kLength / tokens;
    tensors[i] = MakeTensor({tokens * row, row}, slots, tokens);
    tensors[i].data = memory.data() + i * kSlots * kLength * row;
    tensors[i].dtype = VATTN_FLOAT8_E4M3;
    tensors[i].shape[2] = heads;
    tensors[i].shape[3] = tensors[i].stride[2] = dim;
    for (int64_t slot = 0; slot < kSlots; ++slot) {
      for (int64_t head = 0; head < heads; ++head) {
        scale_of[i].push_back(scale(slot, head) * static_cast<float>(1 + i));
      }
    }
    scales[i] = {};
    scales[i].data = numbers.data() + i * kSlots * heads * int64_t{sizeof(float)};
    scales[i].dtype = VATTN_FLOAT32;
    scales[i].device_type = VATTN_DEVICE_CUDA;
    scales[i].rank = 2;
    scales[i].shape[0] = kSlots;
    scales[i].shape[1] = scales[i].stride[0] = heads;
    scales[i].stride[1] = 1;
    Gpu(cudaMemcpy(scales[i].data, scale_of[i].data(), scale_of[i].size() * sizeof(float),
                   cudaMemcpyHostToDevice),
        "cudaMemcpy");
  }
  vattn_cache_view view{};
  view.size = sizeof(view);
  view.kind = kind;
  view.shape = {sizeof(vattn_cache_shape),
                1,
                scenario.kv_heads,
                scenario.head_dim,
                scenario.head_dim,
                VATTN_FLOAT8_E4M3,
                kSlots,
                kLength};
  view.pool_layout = VATTN_POOL_NHD;
  view.block_tokens = paged ? kBlock : 0;
  view.blocks = paged ? static_cast<int32_t>(tensors[0].shape[0]) : 0;
  view.max_blocks = paged ? kLength / kBlock : 0;
  view.key = &tensors[0];
  view.value = &tensors[1];
  vattn_config config{};
  config.size = sizeof(config);
  config.cache_kind = kind;
  config.pool_layout = VATTN_POOL_NHD;
  config.block_tokens = view.block_tokens;
  config.shape = view.shape;
  config.query_heads = scenario.query_heads;
  config.dtype = scenario.dtype;
  config.causal = 1;
  config.needs_lse = 1;
  config.key_scale = &scales[0];
  config.value_scale = &scales[1];
  vattn_limits limits{};
  limits.size = sizeof(limits);
  limits.max_sequences = kSlots;
  limits.max_tokens = 512;
  limits.max_length = kLength;
  const vattn_backend& table = *Tested().table;
  vattn_plan* plan = nullptr;
  Error error;
  const auto must = [&](vattn_status status) {
    if (status != VATTN_OK) Fail(__FILE__, __LINE__, error.message);
  };
  must(table.plan_create(&config, &limits, &plan, &error));

  // Blocks of a sequence lie backwards.
  std::vector<int32_t> blocks;
  std::vector<uint32_t> slot, query, kv;
  int64_t rows = 0;
  for (const auto& part : kParts) {
    for (int64_t i = 0; i < kLength / kBlock; ++i) {
      blocks.push_back(static_cast<int32_t>((part.slot + 1) * (kLength / kBlock) - 1 - i));
    }
    slot.push_back(part.slot);
    query.push_back(part.query);
    kv.push_back(part.kv);
    rows += part.query;
  }
  vattn_batch batch{};
  batch.size = sizeof(batch);
  batch.count = kCount;
  batch.kv_length = kv.data();
  batch.backed_length = kv.data();
  batch.slot = slot.data();
  batch.block_table = paged ? blocks.data() : nullptr;
  batch.block_table_stride = kLength / kBlock;

  int64_t tokens = 0;
  for (const auto& part : kParts) tokens += part.kv;
  GpuRows keys(scenario.dtype, tokens, heads, dim, 0);
  GpuRows values(scenario.dtype, tokens, heads, dim, 0);
  int64_t first = 0;
  for (const auto& part : kParts) {
    keys.Write(Tokens(scenario, part.slot, 0, Operand::kKey, 0, part.kv), first, stream.handle());
    values.Write(Tokens(scenario, part.slot, 0, Operand::kValue, 0, part.kv), first,
                 stream.handle());
    first += part.kv;
  }
  batch.query_length = kv.data();
  must(table.plan_prepare(plan, &view, &batch, stream.get(), &error));
  must(table.plan_append(plan, 0, &keys.tensor(), &values.tensor(), &error));

  GpuRows queries(scenario.dtype, rows, scenario.query_heads, dim, 0);
  GpuRows output(scenario.dtype, rows, scenario.query_heads, dim, 0);
  GpuRows lse(VATTN_FLOAT32, rows, scenario.query_heads, 0, 0);
  first = 0;
  for (const auto& part : kParts) {
    queries.Write(Tokens(scenario, part.slot, 0, Operand::kQuery, part.kv - part.query, part.kv),
                  first, stream.handle());
    first += part.query;
  }
  batch.query_length = query.data();
  must(table.plan_prepare(plan, &view, &batch, stream.get(), &error));
  must(table.plan_run(plan, 0, &queries.tensor(), nullptr, nullptr, &output.tensor(), &lse.tensor(),
                      &error));
  const std::vector<float> found = output.Read(stream.handle());
  const std::vector<float> found_lse = lse.Read(stream.handle());
  table.plan_destroy(plan);

  std::vector<__nv_fp8_storage_t> stored(memory.bytes());
  Gpu(cudaMemcpy(stored.data(), memory.data(), memory.bytes(), cudaMemcpyDeviceToHost),
      "cudaMemcpy");
  size_t at = 0;
  for (size_t p = 0; p < kCount; ++p) {
    const auto& part = kParts[p];
    // What is stored, checked bit for bit, as the numbers that it stands for.
    std::vector<float> known[2];
    for (int i = 0; i < 2; ++i) {
      const std::vector<uint16_t> bits =
          Tokens(scenario, part.slot, 0, i == 0 ? Operand::kKey : Operand::kValue, 0, part.kv);
      known[i] = ToFloats(bits.data(), bits.size(), scenario.dtype);
      for (size_t e = 0; e < known[i].size(); ++e) {
        const int64_t token = static_cast<int64_t>(e) / row;
        const int64_t head = static_cast<int64_t>(e) % row / dim;
        const float by = scale_of[i][static_cast<size_t>(part.slot * heads + head)];
        const __nv_fp8_e4m3 want(known[i][e] / by);
        const int64_t place =
            paged ? blocks[p * (kLength / kBlock) + static_cast<size_t>(token / kBlock)] * kBlock +
                        token % kBlock
                  : part.slot * kLength + token;
        CHECK_EQ(stored[static_cast<size_t>((i * kSlots * kLength + place) * row +
                                            static_cast<int64_t>(e) % row)],
                 want.__x);
        known[i][e] = static_cast<float>(want) * by;
      }
    }
    const std::vector<uint16_t> bits =
        Tokens(scenario, part.slot, 0, Operand::kQuery, part.kv - part.query, part.kv);
    const std::vector<float> asked = ToFloats(bits.data(), bits.size(), scenario.dtype);
    for (uint32_t r = 0; r < part.query; ++r) {
      for (int64_t head = 0; head < scenario.query_heads; ++head, ++at) {
        const int64_t kv_head = head / (scenario.query_heads / heads);
        const float* q = &asked[static_cast<size_t>((r * scenario.query_heads + head) * dim)];
        std::vector<double> sum(static_cast<size_t>(dim));
        double total = 0;
        for (uint32_t j = 0; j <= part.kv - part.query + r; ++j) {
          const auto key = static_cast<size_t>(j * row + kv_head * dim);
          double score = 0;
          for (int64_t e = 0; e < dim; ++e) {
            score += static_cast<double>(q[e]) * known[0][key + static_cast<size_t>(e)];
          }
          const double weight = std::exp(score / std::sqrt(static_cast<double>(dim)));
          total += weight;
          for (size_t e = 0; e < sum.size(); ++e) sum[e] += weight * known[1][key + e];
        }
        for (size_t e = 0; e < sum.size(); ++e) {
          CHECK_LE(std::abs(found[at * sum.size() + e] - sum[e] / total),
                   OutputBound(scenario.dtype));
        }
        CHECK_LE(std::abs(found_lse[at] - std::log(total)), LseBound(VATTN_BFLOAT16, true));
      }
    }
  }
}

TEST(EightBits) {
  if (!WhyNoGpu().empty() || VATTN_CUDA_FP8 == 0) return;
  for (const int32_t kind : {VATTN_CONTIGUOUS, VATTN_PAGED}) {
    RunEightBits(kind, [](int64_t slot, int64_t head) {
      return 0.005f * static_cast<float>(1 + slot) * static_cast<float>(2 + head);
    });
    // Numbers beyond the range are its largest.
    RunEightBits(kind, [](int64_t, int64_t head) { return head == 0 ? 0.003f : 0.02f; });
  }
}

// The host writes few indices, a kernel many.
TEST(PageIndicesAreTheSameFromHostAndKernel) {
  if (!WhyNoGpu().empty()) return;
  constexpr int32_t kSequences = 7;
  constexpr int64_t kStride = 300;
  GpuStream stream;
  std::mt19937 random(1);
  std::vector<int32_t> page_start = {0};
  std::vector<int32_t> slot;
  std::vector<int32_t> table(kSequences * kStride);
  for (int32_t i = 0; i < kSequences; ++i) {
    const int32_t pages = i == 3 ? 0 : static_cast<int32_t>(random() % kStride);
    page_start.push_back(page_start.back() + pages);
    slot.push_back(static_cast<int32_t>(random() % 1000));
  }
  for (int32_t& block : table) block = static_cast<int32_t>(random() % 100000);
  const auto count = static_cast<size_t>(page_start.back());
  const auto on_device = [](const std::vector<int32_t>& from) {
    attention::cuda::DeviceBuffer to(from.size() * sizeof(int32_t));
    Gpu(cudaMemcpy(to.data(), from.data(), to.bytes(), cudaMemcpyHostToDevice), "cudaMemcpy");
    return to;
  };
  const auto page_start_there = on_device(page_start);
  const auto slot_there = on_device(slot);
  const auto table_there = on_device(table);
  for (const bool paged : {false, true}) {
    std::vector<int32_t> written(count, -1);
    std::vector<int32_t> filled(count, -1);
    const auto filled_there = on_device(filled);
    const flashinfer::PageSteps steps =
        paged ? flashinfer::PageSteps{} : flashinfer::PageSteps{7, 2};
    flashinfer::WritePageIndices({kSequences, page_start.data(), slot.data(), steps,
                                  paged ? table.data() : nullptr, kStride, written.data()});
    flashinfer::FillPageIndices(
        {kSequences, page_start_there.data<int32_t>(), slot_there.data<int32_t>(), steps,
         paged ? table_there.data<int32_t>() : nullptr, kStride, filled_there.data<int32_t>()},
        stream.handle());
    stream.Synchronize();
    Gpu(cudaMemcpy(filled.data(), filled_there.data(), filled_there.bytes(),
                   cudaMemcpyDeviceToHost),
        "cudaMemcpy");
    CHECK(written == filled);
    const auto last = static_cast<size_t>(page_start[2]) - 1;  // of the second sequence
    const int32_t page = page_start[2] - page_start[1] - 1;
    CHECK_EQ(written[last],
             paged ? table[static_cast<size_t>(kStride + page)] : slot[1] * 7 + page * 2);
  }
}

// What plans set aside for upstream's schedules is enough for any, and each covers its queries.
TEST(SchedulesFitWhatIsSetAside) {
  if (!WhyNoGpu().empty()) return;
  int device = 0;
  int multiprocessors = 0;
  Gpu(cudaGetDevice(&device), "cudaGetDevice");
  Gpu(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device),
      "cudaDeviceGetAttribute");
  std::mt19937 random(1);
  const auto pick = [&](const std::vector<int32_t>& from) { return from[random() % from.size()]; };
  for (int round = 0; round < 500; ++round) {
    const int32_t group = pick({1, 2, 4, 7, 8, 16, 17, 71, 200});
    const int32_t kv_heads = pick({1, 2, 8, 32});
    const int32_t head_dim = pick({64, 128, 256});
    const int32_t page_tokens = pick({1, 16, 128, 256});
    const int32_t sequences = 1 + static_cast<int32_t>(random() % 40);
    const bool decode = random() % 2 == 0;
    std::vector<int32_t> query_start = {0};
    std::vector<int32_t> page_start = {7};
    for (int32_t i = 0; i < sequences; ++i) {
      const int32_t query = decode ? 1 : 2 + static_cast<int32_t>(random() % 300);
      const int32_t kv = query + static_cast<int32_t>(random() % 20000);
      query_start.push_back(query_start.back() + query);
      page_start.push_back(page_start.back() + (kv + page_tokens - 1) / page_tokens);
    }
    ScheduleInput input{};
    input.query_start = query_start.data();
    input.page_start = page_start.data();
    input.sequences = sequences;
    input.rows = query_start.back();
    input.query_heads = group * kv_heads;
    input.kv_heads = kv_heads;
    input.head_dim = head_dim;
    input.page_tokens = page_tokens;
    input.element_bytes = input.cache_element_bytes = 2;
    input.window = random() % 3 == 0 ? 100 : 0;
    input.graph = decode && random() % 2 == 0;
    const int64_t blocks = (2 * multiprocessors + kv_heads - 1) / kv_heads;
    input.blocks = 2 * multiprocessors / kv_heads;
    const int32_t tile = flashinfer::DecodeTileRows(group, head_dim);
    const int64_t tiles = int64_t{sequences} * ((group + tile - 1) / tile);
    const size_t bytes = flashinfer::ScheduleBytes(tiles, input.rows, group, blocks);
    const size_t partial =
        std::max(flashinfer::PartialBytes(blocks, 128, input.query_heads, kv_heads, head_dim),
                 input.graph ? flashinfer::PartialBytes(std::max(blocks, tiles), tile,
                                                        input.query_heads, kv_heads, head_dim)
                             : 0);
    const attention::cuda::PinnedBuffer host(bytes);
    const attention::cuda::DeviceBuffer target(bytes);
    const attention::cuda::DeviceBuffer partials(partial);
    const ScheduleBuffers buffers = {host.data(), target.data(), bytes, partials.data(), partial};
    const TileSchedule schedule =
        flashinfer::MakeTileSchedule(input, buffers);  // throws where they do not
    CHECK(schedule.bytes <= bytes);
    const auto on_host = [&](const auto* there) {
      const auto offset = reinterpret_cast<const char*>(there) - target.data<char>();
      return reinterpret_cast<decltype(there)>(host.data<char>() + offset);
    };
    std::set<std::pair<int32_t, int32_t>> served;
    for (int32_t i = 0; i < schedule.blocks; ++i) {
      if (schedule.valid != nullptr && !on_host(schedule.valid)[i]) continue;
      served.insert({on_host(schedule.sequence)[i], on_host(schedule.query_tile)[i]});
    }
    size_t wanted = 0;
    for (int32_t i = 0; i < sequences; ++i) {
      const int32_t rows =
          (query_start[static_cast<size_t>(i) + 1] - query_start[static_cast<size_t>(i)]) * group;
      for (int32_t t = 0; t * schedule.tile_rows < rows; ++t) {
        ++wanted;
        CHECK_EQ(served.count({i, t}), 1u);
      }
    }
    CHECK_EQ(served.size(), wanted);
  }
}

}  // namespace
}  // namespace vattention::testing

int main(int argc, char** argv) { return vattention::testing::RunGpuTests(argc, argv); }
