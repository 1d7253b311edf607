#include "bench/native/gpu_bench.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

#include "bench/native/device_array.h"
#include "bench/native/failure.h"
#include "bench/native/gpu_clock.h"
#include "bench/native/planned_attention.h"
#include "bench/native/raw_attention.h"

namespace vattention::bench {
namespace {

using Clock = std::chrono::steady_clock;

// Written between samples: twice the L2 cache, and long enough that the launches behind it are
// queued when it ends.
constexpr size_t kFlushBytes = size_t{512} << 20;

float FromBfloat16(uint16_t bits) {
  const uint32_t wide = uint32_t{bits} << 16;
  float value = 0;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}

// As a part of the numbers, where they are large.
double LargestDifference(const std::vector<uint16_t>& a, const std::vector<uint16_t>& b) {
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double expected = FromBfloat16(a[i]);
    const double difference = std::fabs(expected - FromBfloat16(b[i])) / (1 + std::fabs(expected));
    if (std::isnan(difference)) return std::numeric_limits<double>::infinity();
    most = std::max(most, difference);
  }
  return most;
}

}  // namespace

GpuBench::GpuBench(const Limits& limits, const Noise& noise, uint64_t seed, Json* json)
    : limits_(limits), noise_(noise), json_(*json), random_(seed), flush_(kFlushBytes) {
  Check(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, 0),
        "cudaDeviceGetAttribute");
}

void GpuBench::Run(const GpuCase& one, const Backend& backend) {
  const int64_t rows = one.prefill ? one.shape.length : one.shape.sequences;
  const size_t bytes = static_cast<size_t>(rows * kQueryRow) * sizeof(uint16_t);
  const DeviceBuffer query(bytes);
  noise_.CopyRows(query.data(), kKvRow * 2, rows * kQueryRow / kKvRow, 7);
  const DeviceBuffer output(bytes);
  const vattn_tensor q = RowsTensor(query.data(), rows, kQueryHeads);
  const vattn_tensor o = RowsTensor(output.data(), rows, kQueryHeads);
  const auto new_tokens = static_cast<uint32_t>(one.prefill ? one.shape.length : 1);

  RawProblem problem{};
  problem.prefill = one.prefill;
  problem.sequences = one.shape.sequences;
  problem.length = one.shape.length;
  problem.multiprocessors = multiprocessors_;
  problem.scale = 1 / std::sqrt(static_cast<float>(kHeadDim));
  problem.query = query.data();
  problem.output = output.data();

  // Whatever is first is what the others are compared with.
  std::vector<std::pair<std::string, std::unique_ptr<KvPlace>>> places;
  if (backend.block_tokens > 0) {
    places.emplace_back("blocks", MakeBlocksKv(one.shape, backend.block_tokens, noise_));
    problem.block_tokens = backend.block_tokens;
    problem.block_table = places[0].second->table();
  } else {
    auto allocated = std::make_unique<AllocatedKv>(one.shape, noise_);
    problem.slot_rows = allocated->slot_rows();
    places.emplace_back("cudaMalloc", std::move(allocated));
    places.emplace_back("pages", MakePagesKv(one.shape, noise_));
  }
  const vattn_cache_view& view = places[0].second->view();
  for (int32_t layer = 0; layer < one.shape.layers; ++layer) {
    problem.key.push_back(view.key[layer].data);
    problem.value.push_back(view.value[layer].data);
  }
  const std::unique_ptr<RawAttention> raw = backend.make_raw(problem);
  raw->Prepare(nullptr);

  std::vector<std::unique_ptr<PlannedAttention>> plans;
  std::vector<Subject> subjects = {{"raw", [&raw](int32_t layer) { raw->Launch(layer, nullptr); }}};
  for (const auto& [name, place] : places) {
    plans.push_back(std::make_unique<PlannedAttention>(*backend.table, place.get(), new_tokens));
    PlannedAttention* plan = plans.back().get();
    plan->Prepare(nullptr);
    subjects.push_back(
        {name, [plan, &q, &o](int32_t layer) { plan->Run(layer, q, nullptr, nullptr, o); }});
  }

  json_.Open('{');
  json_.Key("case").Value(one.name);
  json_.Key("backend").Value(backend.name);
  json_.Key("kernel").Value(raw->Kernel());
  json_.Key("layers").Value(one.shape.layers);
  json_.Key("launches").Value(one.launches);
  Compare(subjects, output);
  Measure(one, subjects);
  json_.Close('}');
}

// All must compute the same before they are timed.
void GpuBench::Compare(const std::vector<Subject>& subjects, const DeviceBuffer& output) {
  std::vector<std::vector<uint16_t>> results;
  for (const Subject& subject : subjects) {
    Check(cudaMemset(output.data(), 0xff, output.bytes()), "cudaMemset");  // NaN
    subject.launch(0);
    std::vector<uint16_t> result(output.bytes() / sizeof(uint16_t));
    Check(cudaMemcpy(result.data(), output.data(), output.bytes(), cudaMemcpyDeviceToHost),
          "cudaMemcpy");
    results.push_back(std::move(result));
  }
  double most = 0;
  bool same = true;
  for (size_t i = 1; i < results.size(); ++i) {
    most = std::max(most, LargestDifference(results[0], results[i]));
    same = same && results[i] == results[0];
  }
  json_.Key("maxDifference").Value(most);
  json_.Key("sameBits").Value(same);
  // Roundings to bfloat16, and orders of summation.
  if (most > 0.02) throw Failure("the results differ by " + std::to_string(most));
}

void GpuBench::Measure(const GpuCase& one, const std::vector<Subject>& subjects) {
  std::vector<GpuClock> clocks(subjects.size());
  std::vector<std::vector<double>> samples(subjects.size());
  std::vector<size_t> order(subjects.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto started = Clock::now();
  constexpr int kWarmUp = 3;
  for (int round = -kWarmUp; round < limits_.rounds; ++round) {
    const std::chrono::duration<double> elapsed = Clock::now() - started;
    if (round >= 5 && elapsed.count() > limits_.seconds) break;
    std::shuffle(order.begin(), order.end(), random_);
    for (const size_t i : order) {
      Check(cudaMemsetAsync(flush_.data(), round & 1, flush_.bytes(), nullptr), "cudaMemsetAsync");
      clocks[i].Measure(nullptr, [&] {
        for (int launch = 0; launch < one.launches; ++launch) {
          subjects[i].launch(launch % one.shape.layers);
        }
      });
    }
    Check(cudaStreamSynchronize(nullptr), "cudaStreamSynchronize");
    if (round < 0) continue;
    for (size_t i = 0; i < subjects.size(); ++i) samples[i].push_back(clocks[i].Milliseconds());
  }
  json_.Key("milliseconds").Open('{');
  for (size_t i = 0; i < subjects.size(); ++i) {
    json_.Key(subjects[i].name).Value(samples[i]);
  }
  json_.Close('}');
}

}  // namespace vattention::bench
