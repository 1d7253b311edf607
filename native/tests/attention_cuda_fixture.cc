#include "tests/attention_cuda_fixture.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iostream>
#include <limits>

#include "tests/attention_cuda_reference.h"

namespace vattention::testing {

namespace {

constexpr int32_t kBytes = 2;      // of an element
constexpr uint16_t kNan = 0xFFFF;  // of either type
constexpr uint64_t kGiB = uint64_t{1} << 30;

std::string FindGpu() {
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  (void)cudaGetLastError();
  if (code != cudaSuccess) return std::string("no GPU: ") + cudaGetErrorString(code);
  return count == 0 ? "no GPU" : "";
}

vattn_cache_shape ShapeOf(const Scenario& scenario) {
  return {sizeof(vattn_cache_shape), scenario.layers, scenario.kv_heads,      scenario.head_dim,
          scenario.head_dim,         scenario.dtype,  scenario.max_sequences, scenario.max_length};
}

vattn_status CreateContiguous(const Scenario& scenario, vattn_cache_ref* ref, vattn_error* error) {
  vattn_contiguous_options options{};
  options.size = sizeof(options);
  options.shape = ShapeOf(scenario);
  options.device_type = VATTN_DEVICE_CUDA;
  options.limit_bytes = 4 * kGiB;
  options.layout = scenario.form.layout;
  options.layer_group = scenario.form.layer_group;
  options.page_classes = 1;  // nothing is mapped that was not asked for
  options.page_bytes[0] = uint64_t{2} << 20;
  options.tail_rows = scenario.form.tail_rows;
  options.lead_rows = 256;
  return vattn_contiguous_create(&options, ref, error);
}

vattn_status CreatePaged(const Scenario& scenario, vattn_cache_ref* ref, vattn_error* error) {
  const int64_t block = scenario.form.block_tokens;
  const int64_t blocks = scenario.max_sequences * ((scenario.max_length + block - 1) / block);
  vattn_paged_options options{};
  options.size = sizeof(options);
  options.shape = ShapeOf(scenario);
  options.device_type = VATTN_DEVICE_CUDA;
  options.limit_bytes = static_cast<uint64_t>(blocks * block * scenario.layers * 2 *
                                              scenario.kv_heads * scenario.head_dim * kBytes);
  options.block_tokens = scenario.form.block_tokens;
  options.pool_layout = scenario.form.pool_layout;
  return vattn_paged_create(&options, ref, error);
}

// A row of an output, for people.
std::string Where(size_t part, size_t row, size_t head, int32_t layer) {
  return "part " + std::to_string(part) + ", row " + std::to_string(row) + ", head " +
         std::to_string(head) + ", layer " + std::to_string(layer);
}

}  // namespace

std::string Name(const CacheForm& form) {
  if (form.kind == VATTN_PAGED) {
    const bool nhd = form.pool_layout == VATTN_POOL_NHD;
    return "paged " + std::to_string(form.block_tokens) + (nhd ? "" : ", published layout");
  }
  return std::string("contiguous, ") +
         (form.layout == VATTN_LAYOUT_SPLIT ? "split" : "interleaved") + ", tail " +
         std::to_string(form.tail_rows);
}

const std::string& WhyNoGpu() {
  static const std::string why = FindGpu();
  return why;
}

int RunGpuTests(int argc, char** argv) {
  if (!WhyNoGpu().empty()) {
    std::cout << "skipped: what needs a GPU (" << WhyNoGpu() << ")" << std::endl;
  }
  return RunTests(argc, argv);
}

std::vector<float> Slopes(int32_t heads) {
  std::vector<float> slopes;
  for (int32_t head = 0; head < heads; ++head) {
    slopes.push_back(std::exp2(-8.0f * static_cast<float>(head + 1) / static_cast<float>(heads)));
  }
  return slopes;
}

void Gpu(cudaError_t code, const char* call) {
  if (code == cudaSuccess) return;
  Fail(__FILE__, __LINE__, std::string(call) + ": " + cudaGetErrorString(code));
}

GpuArray::GpuArray(size_t bytes) : bytes_(bytes) {
  void* data = nullptr;
  Gpu(cudaMalloc(&data, std::max<size_t>(bytes, 16)), "cudaMalloc");
  data_ = static_cast<char*>(data);
}

GpuArray::~GpuArray() { cudaFree(data_); }

GpuStream::GpuStream() {
  Gpu(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "cudaStreamCreate");
}

GpuStream::~GpuStream() { cudaStreamDestroy(handle_); }

void GpuStream::Synchronize() const {
  Gpu(cudaStreamSynchronize(handle_), "cudaStreamSynchronize");
}

GpuRows::GpuRows(int32_t dtype, int64_t rows, int64_t heads, int64_t dim, int64_t gap)
    : memory_(static_cast<size_t>(rows * (heads * (std::max<int64_t>(dim, 1) + gap) + gap) *
                                  (dtype == VATTN_FLOAT32 ? 4 : kBytes))),
      row_elements_(heads * (std::max<int64_t>(dim, 1) + gap) + gap) {
  tensor_.data = memory_.data();
  tensor_.dtype = dtype;
  tensor_.device_type = VATTN_DEVICE_CUDA;
  tensor_.rank = dim > 0 ? 3 : 2;
  tensor_.shape[0] = rows;
  tensor_.shape[1] = heads;
  tensor_.shape[2] = dim;
  tensor_.stride[0] = row_elements_;
  // The heads of a matrix are dense: its last stride must be 1.
  tensor_.stride[1] = dim > 0 ? dim + gap : 1;
  tensor_.stride[2] = dim > 0 ? 1 : 0;
  Gpu(cudaMemset(memory_.data(), 0xFF, memory_.bytes()), "cudaMemset");
  Gpu(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
}

void GpuRows::Write(const std::vector<uint16_t>& values, int64_t first_row, cudaStream_t stream) {
  const auto width = static_cast<size_t>(tensor_.shape[2]) * kBytes;
  const auto heads = static_cast<size_t>(tensor_.shape[1]);
  const size_t rows = values.size() * kBytes / (width * heads);
  // One copy for each head: rows need not be a multiple of the stride between heads.
  for (size_t head = 0; head < heads; ++head) {
    const int64_t at =
        first_row * tensor_.stride[0] + static_cast<int64_t>(head) * tensor_.stride[1];
    Gpu(cudaMemcpy2DAsync(memory_.data() + at * kBytes,
                          static_cast<size_t>(tensor_.stride[0]) * kBytes,
                          reinterpret_cast<const char*>(values.data()) + head * width,
                          width * heads, width, rows, cudaMemcpyHostToDevice, stream),
        "cudaMemcpy2DAsync");
  }
  Gpu(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
}

std::vector<float> GpuRows::Read(cudaStream_t stream) const {
  std::vector<uint16_t> all(memory_.bytes() / kBytes);
  Gpu(cudaMemcpyAsync(all.data(), memory_.data(), memory_.bytes(), cudaMemcpyDeviceToHost, stream),
      "cudaMemcpyAsync");
  Gpu(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  const bool wide = tensor_.dtype == VATTN_FLOAT32;
  const size_t halves = wide ? 2 : 1;
  const int64_t dim = std::max<int64_t>(tensor_.shape[2], 1);
  std::vector<bool> belongs(all.size() / halves);
  std::vector<float> values;
  for (int64_t row = 0; row < tensor_.shape[0]; ++row) {
    for (int64_t head = 0; head < tensor_.shape[1]; ++head) {
      const auto at = static_cast<size_t>(row * tensor_.stride[0] + head * tensor_.stride[1]);
      for (size_t e = at; e < at + static_cast<size_t>(dim); ++e) {
        belongs[e] = true;
        float value = 0;
        if (wide) {
          std::memcpy(&value, &all[2 * e], sizeof(value));
        } else {
          value = ToFloats(&all[e], 1, tensor_.dtype)[0];
        }
        values.push_back(value);
      }
    }
  }
  for (size_t e = 0; e < belongs.size(); ++e) {
    if (!belongs[e] && all[e * halves] != kNan) {
      Fail(__FILE__, __LINE__, "an element between rows or heads was written");
    }
  }
  return values;
}

void GpuRows::Forget(cudaStream_t stream) {
  Gpu(cudaMemsetAsync(memory_.data(), 0xFF, memory_.bytes(), stream), "cudaMemsetAsync");
}

Scene::Scene(const Scenario& scenario) : scenario_(scenario) {
  stream_ = std::make_unique<GpuStream>();
  cache_.size = sizeof(cache_);
  Must(scenario.form.kind == VATTN_PAGED ? CreatePaged(scenario, &cache_, &error_)
                                         : CreateContiguous(scenario, &cache_, &error_),
       "create the cache");
  view_.size = sizeof(view_);
  Must(cache_.api->view(cache_.cache, &view_, &error_), "view");
  Must(cache_.api->attach_stream(cache_.cache, stream_->get(), &error_), "attach_stream");
  const vattn_config config = MakeConfig();
  const vattn_limits limits = MakeLimits();
  Must(Tested().table->plan_create(&config, &limits, &plan_, &error_), "plan_create");
}

Scene::~Scene() {
  if (plan_ != nullptr) Tested().table->plan_destroy(plan_);
  cudaStreamSynchronize(stream_->handle());
  if (cache_.cache == nullptr) return;
  cache_.api->detach_stream(cache_.cache, stream_->get(), &error_);
  cache_.api->release(cache_.cache);
}

void Scene::Must(vattn_status status, const char* what) const {
  if (status == VATTN_OK) return;
  Fail(__FILE__, __LINE__,
       std::string(what) + " (" + Name(scenario_.form) + "): " + error_.message);
}

vattn_config Scene::MakeConfig() const {
  vattn_config config{};
  config.size = sizeof(config);
  config.cache_kind = scenario_.form.kind;
  config.shape = view_.shape;
  config.pool_layout = scenario_.form.pool_layout;
  config.block_tokens = scenario_.form.block_tokens;
  config.query_heads = scenario_.query_heads;
  config.dtype = scenario_.dtype;
  config.causal = scenario_.causal ? 1 : 0;
  config.window = scenario_.window;
  config.soft_cap = scenario_.soft_cap;
  config.alibi_slopes = scenario_.alibi.empty() ? nullptr : scenario_.alibi.data();
  config.needs_lse = scenario_.needs_lse ? 1 : 0;
  config.batch_invariant = scenario_.batch_invariant ? 1 : 0;
  return config;
}

vattn_limits Scene::MakeLimits() const {
  vattn_limits limits{};
  limits.size = sizeof(limits);
  limits.max_sequences = scenario_.max_sequences;
  limits.max_tokens = scenario_.max_tokens;
  limits.max_length = scenario_.max_length;
  limits.graph_sequences = scenario_.graph_sequences;
  limits.graph_max_length = scenario_.graph_max_length;
  return limits;
}

size_t Scene::AddOf(uint64_t seed, uint32_t context, uint32_t backed) {
  Sequence sequence;
  sequence.seed = seed;
  Must(cache_.api->allocate(cache_.cache, &sequence.handle, &error_), "allocate");
  sequences_.push_back(sequence);
  const size_t index = sequences_.size() - 1;
  const uint32_t length = std::max(context, backed);
  if (length == 0) return index;
  StepTo({sequence.handle}, {length});
  WriteContext(index, 0, context);
  Poison(index, context, length);
  return index;
}

size_t Scene::Add(uint32_t context, uint32_t backed) {
  return AddOf(1000 + sequences_.size(), context, backed);
}

size_t Scene::AddTwin(size_t other, uint32_t context) {
  return AddOf(Seed(other), context, context);
}

void Scene::Free(size_t sequence) {
  Must(cache_.api->free(cache_.cache, sequences_[sequence].handle, nullptr, &error_), "free");
}

void Scene::Truncate(size_t sequence, uint32_t length) {
  Must(cache_.api->truncate(cache_.cache, sequences_[sequence].handle, length, nullptr, &error_),
       "truncate");
}

void Scene::Slide(size_t sequence, uint32_t first_token) {
  Must(cache_.api->slide(cache_.cache, sequences_[sequence].handle, first_token, nullptr, &error_),
       "slide");
  sequences_[sequence].first_kept = first_token;
}

void Scene::WriteContext(size_t sequence, uint32_t from, uint32_t to) {
  for (int32_t layer = 0; layer < scenario_.layers; ++layer) {
    for (const Operand operand : {Operand::kKey, Operand::kValue}) {
      std::vector<uint16_t> rows = Tokens(scenario_, Seed(sequence), layer, operand, from, to);
      CopyRows(sequence, layer, operand, from, to, rows.data(), true);
    }
  }
}

void Scene::Poison(size_t sequence, uint32_t from, uint32_t to) {
  std::vector<uint16_t> rows(
      static_cast<size_t>(to - from) * static_cast<size_t>(scenario_.kv_heads * scenario_.head_dim),
      kNan);
  for (int32_t layer = 0; layer < scenario_.layers; ++layer) {
    for (const Operand operand : {Operand::kKey, Operand::kValue}) {
      CopyRows(sequence, layer, operand, from, to, rows.data(), true);
    }
  }
}

void Scene::CopyTokens(size_t source, uint32_t from, uint32_t to, size_t sequence, uint32_t at) {
  std::vector<uint16_t> rows(static_cast<size_t>(to - from) *
                             static_cast<size_t>(scenario_.kv_heads * scenario_.head_dim));
  for (int32_t layer = 0; layer < scenario_.layers; ++layer) {
    for (const Operand operand : {Operand::kKey, Operand::kValue}) {
      CopyRows(source, layer, operand, from, to, rows.data(), false);
      CopyRows(sequence, layer, operand, at, at + to - from, rows.data(), true);
    }
  }
}

Scene::Place Scene::Resolve(const std::vector<vattn_sequence>& handles) {
  Place place;
  if (handles.empty()) return place;
  place.slot.resize(handles.size());
  place.backed.resize(handles.size());
  place.kept.resize(handles.size());
  vattn_rows rows{};
  rows.size = sizeof(rows);
  rows.count = static_cast<int32_t>(handles.size());
  rows.slot = place.slot.data();
  rows.backed_length = place.backed.data();
  rows.first_kept = place.kept.data();
  if (scenario_.form.kind == VATTN_PAGED) {
    place.table.resize(handles.size() * static_cast<size_t>(view_.max_blocks), -1);
    rows.block_table = place.table.data();
    rows.block_table_stride = view_.max_blocks;
  }
  Must(cache_.api->resolve(cache_.cache, handles.data(), rows.count, &rows, &error_), "resolve");
  return place;
}

uint32_t Scene::BackedLength(size_t sequence) {
  return Resolve({sequences_[sequence].handle}).backed[0];
}

void Scene::CopyRows(size_t sequence, int32_t layer, Operand operand, uint32_t from, uint32_t to,
                     uint16_t* rows, bool write) {
  if (from == to) return;
  const vattn_tensor& tensor = operand == Operand::kKey ? view_.key[layer] : view_.value[layer];
  const Place place = Resolve({sequences_[sequence].handle});
  const cudaStream_t stream = stream_->handle();
  const int64_t heads = scenario_.kv_heads;
  const int64_t dim = scenario_.head_dim;
  const auto width = static_cast<size_t>(heads * dim) * kBytes;
  char* base = static_cast<char*>(tensor.data);
  const auto copy = [&](char* there, size_t there_pitch, uint16_t* here, size_t bytes,
                        size_t count) {
    if (write) {
      Gpu(cudaMemcpy2DAsync(there, there_pitch, here, bytes, bytes, count, cudaMemcpyHostToDevice,
                            stream),
          "cudaMemcpy2DAsync");
    } else {
      Gpu(cudaMemcpy2DAsync(here, bytes, there, there_pitch, bytes, count, cudaMemcpyDeviceToHost,
                            stream),
          "cudaMemcpy2DAsync");
    }
    stream_->Synchronize();
  };
  if (scenario_.form.pool_layout == VATTN_POOL_NHD) {
    CHECK_EQ(tensor.stride[2], dim);
    const int64_t block = view_.kind == VATTN_PAGED ? view_.block_tokens : scenario_.max_length;
    for (int64_t token = from; token < to;) {
      const int64_t end = std::min<int64_t>(to, (token / block + 1) * block);
      const int64_t row = view_.kind == VATTN_PAGED
                              ? place.table[static_cast<size_t>(token / block)]
                              : int64_t{place.slot[0]};
      copy(base + (row * tensor.stride[0] + token % block * tensor.stride[1]) * kBytes,
           static_cast<size_t>(tensor.stride[1]) * kBytes, rows + (token - from) * heads * dim,
           width, static_cast<size_t>(end - token));
      token = end;
    }
    return;
  }
  // The published layout: whole blocks, which are dense.
  const int64_t block = view_.block_tokens;
  const int64_t x = 16 / kBytes;
  std::vector<uint16_t> content(static_cast<size_t>(heads * dim * block));
  for (int64_t first = from / block * block; first < to; first += block) {
    char* there =
        base + place.table[static_cast<size_t>(first / block)] * tensor.stride[0] * kBytes;
    const size_t bytes = content.size() * kBytes;
    Gpu(cudaMemcpyAsync(content.data(), there, bytes, cudaMemcpyDeviceToHost, stream),
        "cudaMemcpyAsync");
    stream_->Synchronize();
    for (int64_t token = std::max<int64_t>(first, from);
         token < std::min<int64_t>(first + block, to); ++token) {
      for (int64_t head = 0; head < heads; ++head) {
        for (int64_t e = 0; e < dim; ++e) {
          const int64_t at = operand == Operand::kKey
                                 ? ((head * (dim / x) + e / x) * block + token - first) * x + e % x
                                 : (head * dim + e) * block + token - first;
          uint16_t& element = rows[((token - from) * heads + head) * dim + e];
          if (write) {
            content[static_cast<size_t>(at)] = element;
          } else {
            element = content[static_cast<size_t>(at)];
          }
        }
      }
    }
    if (!write) continue;
    Gpu(cudaMemcpyAsync(there, content.data(), bytes, cudaMemcpyHostToDevice, stream),
        "cudaMemcpyAsync");
    stream_->Synchronize();
  }
}

void Scene::StepTo(const std::vector<vattn_sequence>& handles,
                   const std::vector<uint32_t>& lengths) {
  vattn_step_result result{};
  result.size = sizeof(result);
  Must(cache_.api->step(cache_.cache, handles.data(), lengths.data(),
                        static_cast<int32_t>(handles.size()), &result, &error_),
       "step");
  CHECK_EQ(result.outcome, static_cast<int32_t>(VATTN_STEP_OK));
  Must(cache_.api->wait_ready(cache_.cache, stream_->get(), &error_), "wait_ready");
}

void Scene::Step(const std::vector<Part>& parts) {
  std::vector<vattn_sequence> handles;
  std::vector<uint32_t> lengths;
  for (const Part& part : parts) {
    const uint32_t length = std::max(part.kv, BackedLength(part.sequence));
    if (length == 0) continue;
    handles.push_back(sequences_[part.sequence].handle);
    lengths.push_back(length);
  }
  if (!handles.empty()) StepTo(handles, lengths);
}

vattn_status Scene::TryPrepare(const std::vector<Part>& parts, vattn_error* error) {
  std::vector<vattn_sequence> handles;
  std::vector<uint32_t> query, kv;
  for (const Part& part : parts) {
    handles.push_back(sequences_[part.sequence].handle);
    query.push_back(part.query);
    kv.push_back(part.kv);
  }
  const Place place = Resolve(handles);
  vattn_batch batch{};
  batch.size = sizeof(batch);
  batch.count = static_cast<int32_t>(parts.size());
  batch.query_length = query.data();
  batch.kv_length = kv.data();
  batch.slot = place.slot.data();
  batch.backed_length = place.backed.data();
  batch.first_kept = place.kept.data();
  if (scenario_.form.kind == VATTN_PAGED) {
    batch.block_table = place.table.data();
    batch.block_table_stride = view_.max_blocks;
  }
  return Tested().table->plan_prepare(plan_, &view_, &batch, stream_->get(), error);
}

void Scene::Prepare(const std::vector<Part>& parts) {
  Must(TryPrepare(parts, &error_), "plan_prepare");
}

Scene::Operands Scene::MakeOperands(int64_t rows, int64_t gap) const {
  const Scenario& s = scenario_;
  Operands operands;
  operands.query = std::make_unique<GpuRows>(s.dtype, rows, s.query_heads, s.head_dim, gap);
  operands.key = std::make_unique<GpuRows>(s.dtype, rows, s.kv_heads, s.head_dim, gap);
  operands.value = std::make_unique<GpuRows>(s.dtype, rows, s.kv_heads, s.head_dim, gap);
  operands.output = std::make_unique<GpuRows>(s.dtype, rows, s.query_heads, s.head_dim, gap);
  operands.lse = std::make_unique<GpuRows>(VATTN_FLOAT32, rows, s.query_heads, 0, gap);
  return operands;
}

void Scene::Fill(const std::vector<Part>& parts, int32_t layer, Operands* operands) {
  int64_t row = 0;
  for (const Part& part : parts) {
    const int64_t from = part.kv == 0 ? 0 : int64_t{part.kv} - part.query;
    const auto write = [&](Operand operand, GpuRows* rows) {
      rows->Write(Tokens(scenario_, Seed(part.sequence), layer, operand, from, from + part.query),
                  row, stream_->handle());
    };
    if (part.query > 0) {
      write(Operand::kQuery, operands->query.get());
      write(Operand::kKey, operands->key.get());
      write(Operand::kValue, operands->value.get());
    }
    row += part.query;
  }
  operands->output->Forget(stream_->handle());
  operands->lse->Forget(stream_->handle());
}

vattn_status Scene::TryRun(int32_t layer, Operands* operands, const Ways& ways,
                           vattn_error* error) {
  return Tested().table->plan_run(
      plan_, layer, &operands->query->tensor(), ways.append ? &operands->key->tensor() : nullptr,
      ways.append ? &operands->value->tensor() : nullptr, &operands->output->tensor(),
      ways.lse ? &operands->lse->tensor() : nullptr, error);
}

void Scene::Run(int32_t layer, Operands* operands, const Ways& ways) {
  Must(TryRun(layer, operands, ways, &error_), "plan_run");
}

Result Scene::Read(const Operands& operands, bool lse) {
  Result result;
  result.output = operands.output->Read(stream_->handle());
  if (lse) result.lse = operands.lse->Read(stream_->handle());
  return result;
}

void Scene::CheckResult(const std::vector<Part>& parts, int32_t layer, const Result& result) const {
  const auto heads = static_cast<size_t>(scenario_.query_heads);
  const auto dim = static_cast<size_t>(scenario_.head_dim);
  const double bound = OutputBound(scenario_.dtype) * Tested().roundings / 2;
  const double lse_bound = LseBound(scenario_.dtype, Tested().sums_rounded);
  size_t at = 0;  // row x head
  for (size_t p = 0; p < parts.size(); ++p) {
    const Part& part = parts[p];
    const Result want = Reference(scenario_, Seed(part.sequence), layer, part.query, part.kv);
    for (size_t i = 0; i < want.lse.size(); ++i, ++at) {
      for (size_t e = 0; e < dim; ++e) {
        const float found = result.output[at * dim + e];
        const float expected = want.output[i * dim + e];
        const bool close = std::abs(static_cast<double>(found) - expected) <= bound;
        if (!close || (part.kv == 0 && found != 0)) {
          Fail(__FILE__, __LINE__,
               Where(p, i / heads, i % heads, layer) + ", element " + std::to_string(e) + " (" +
                   Name(scenario_.form) + "): " + std::to_string(found) + " against " +
                   std::to_string(expected));
        }
      }
      if (result.lse.empty()) continue;
      const float found = result.lse[at];
      const bool same = found == want.lse[i];  // infinities
      if (!same && !(std::abs(static_cast<double>(found) - want.lse[i]) <= lse_bound)) {
        Fail(__FILE__, __LINE__,
             Where(p, i / heads, i % heads, layer) + ", log-sum-exp (" + Name(scenario_.form) +
                 "): " + std::to_string(found) + " against " + std::to_string(want.lse[i]));
      }
    }
  }
  // What pads a graph's batch.
  for (; at * dim < result.output.size(); ++at) {
    for (size_t e = 0; e < dim; ++e) CHECK_EQ(result.output[at * dim + e], 0.0f);
    if (!result.lse.empty()) {
      CHECK_EQ(result.lse[at], -std::numeric_limits<float>::infinity());
    }
  }
}

void Scene::CheckAppended(const std::vector<Part>& parts) {
  for (const Part& part : parts) {
    if (part.kv == 0) continue;
    for (int32_t layer = 0; layer < scenario_.layers; ++layer) {
      for (const Operand operand : {Operand::kKey, Operand::kValue}) {
        const uint32_t from = part.kv - part.query;
        const std::vector<uint16_t> want =
            Tokens(scenario_, Seed(part.sequence), layer, operand, from, part.kv);
        std::vector<uint16_t> found(want.size());
        CopyRows(part.sequence, layer, operand, from, part.kv, found.data(), false);
        if (found != want) {
          Fail(__FILE__, __LINE__,
               "appended rows of sequence " + std::to_string(part.sequence) + ", layer " +
                   std::to_string(layer) + " (" + Name(scenario_.form) + ")");
        }
      }
    }
  }
}

std::vector<Result> Scene::Pass(const std::vector<Part>& parts, const Ways& ways) {
  Step(parts);
  if (!ways.append) {
    for (const Part& part : parts) {
      if (part.kv > 0) WriteContext(part.sequence, part.kv - part.query, part.kv);
    }
  }
  Prepare(parts);
  int64_t rows = 0;
  for (const Part& part : parts) rows += part.query;
  std::vector<Operands> operands;
  for (int32_t layer = 0; layer < scenario_.layers; ++layer) {
    operands.push_back(MakeOperands(rows, ways.gap));
    Fill(parts, layer, &operands.back());
  }
  // One after the other without a wait, as a model does.
  for (int32_t layer = 0; layer < scenario_.layers; ++layer) {
    Run(layer, &operands[static_cast<size_t>(layer)], ways);
  }
  std::vector<Result> results;
  for (int32_t layer = 0; layer < scenario_.layers; ++layer) {
    results.push_back(Read(operands[static_cast<size_t>(layer)], ways.lse));
    CheckResult(parts, layer, results.back());
  }
  CheckAppended(parts);
  return results;
}

}  // namespace vattention::testing
