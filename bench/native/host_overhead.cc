#include "bench/native/host_overhead.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <thread>
#include <vector>

#include "bench/native/failure.h"

namespace vattention::bench {
namespace {

using Clock = std::chrono::steady_clock;

// As the suite has them: overhead/time-block.ts says why, harness/rounds.ts why there are rests.
constexpr int kBlockPasses = 20;
constexpr int kWarmUpPasses = 10;
constexpr std::chrono::milliseconds kRest(25);
// Of sequences without new tokens: as overhead/measure-call.ts has them.
constexpr int32_t kCallLength = 16;
constexpr int32_t kCallMaxLength = 512;
// Errors of outputs in 16-bit floats, as a part of the row's largest number and beyond.
constexpr double kMostError = 0.02;
constexpr double kLeastError = 1e-4;

double Microseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::micro>(duration).count();
}

// One new token of each sequence: of 4 x 8, rows 0 to 6 are from `prompt` and row 7 is from `next`.
struct KvRows {
  HostRows prompt;  // [sequence x length]
  HostRows next;    // [sequence]
};

double KvAt(const KvRows& rows, int32_t length, int32_t sequence, int32_t token, int32_t head,
            int32_t element) {
  if (token == length - 1) return rows.next.At(sequence, head, element);
  return rows.prompt.At(int64_t{sequence} * length + token, head, element);
}

// Compares the last sequence's row with attention in double precision; throws Failure.
void CheckRow(const HostOverhead& overhead, const HostRows& query, const KvRows& key,
              const KvRows& value, const HostRows& output) {
  const HostShape& shape = overhead.shape;
  const int32_t sequence = overhead.sequences - 1;
  for (int32_t head = 0; head < shape.query_heads; ++head) {
    const int32_t kv_head = head / (shape.query_heads / shape.kv_heads);
    std::vector<double> weights;
    double sum = 0;
    for (int32_t token = 0; token < overhead.length; ++token) {
      double score = 0;
      for (int32_t e = 0; e < shape.head_dim; ++e) {
        score +=
            query.At(sequence, head, e) * KvAt(key, overhead.length, sequence, token, kv_head, e);
      }
      weights.push_back(std::exp(score / std::sqrt(shape.head_dim)));
      sum += weights.back();
    }
    std::vector<double> expected;
    double most = 0;
    for (int32_t e = 0; e < shape.head_dim; ++e) {
      double number = 0;
      for (int32_t token = 0; token < overhead.length; ++token) {
        number += weights[static_cast<size_t>(token)] / sum *
                  KvAt(value, overhead.length, sequence, token, kv_head, e);
      }
      expected.push_back(number);
      most = std::max(most, std::abs(number));
    }
    for (int32_t e = 0; e < shape.head_dim; ++e) {
      const double got = output.At(sequence, head, e);
      const double wanted = expected[static_cast<size_t>(e)];
      if (!(std::abs(got - wanted) <= kMostError * most + kLeastError)) {  // NaN too
        throw Failure("wrong: head " + std::to_string(head) + ": " + std::to_string(got) +
                      " instead of " + std::to_string(wanted));
      }
    }
  }
}

}  // namespace

void MeasurePasses(const HostOverhead& overhead, const std::string& cache_name, Json* json) {
  const HostShape& shape = overhead.shape;
  const int32_t sequences = overhead.sequences;
  std::mt19937_64 random(overhead.seed);
  const int64_t tokens = int64_t{sequences} * overhead.length;
  const auto rows = [&](int64_t count, int32_t heads) {
    return HostRows(shape, count, heads, &random);
  };
  KvRows keys = {rows(tokens, shape.kv_heads), rows(sequences, shape.kv_heads)};
  KvRows values = {rows(tokens, shape.kv_heads), rows(sequences, shape.kv_heads)};
  HostRows queries = rows(tokens, shape.query_heads);
  HostRows outputs = rows(tokens, shape.query_heads);
  HostCache cache(shape, cache_name, sequences, overhead.length, overhead.length);
  {
    HostPlan fill(shape, &cache, overhead.length, false);
    fill.Prepare(static_cast<uint32_t>(overhead.length));
    for (int32_t layer = 0; layer < shape.layers; ++layer) {
      fill.Run(layer, queries.Tensor(tokens), keys.prompt.Tensor(tokens),
               values.prompt.Tensor(tokens), outputs.Tensor(tokens), nullptr);
    }
  }
  HostPlan plan(shape, &cache, 1, false);
  const vattn_tensor query = queries.Tensor(sequences);
  const vattn_tensor key = keys.next.Tensor(sequences);
  const vattn_tensor value = values.next.Tensor(sequences);
  const vattn_tensor output = outputs.Tensor(sequences);
  std::vector<double> prepare, run;
  const auto pass = [&](bool counts) {
    const auto begun = Clock::now();
    plan.Prepare(1);
    const auto prepared = Clock::now();
    for (int32_t layer = 0; layer < shape.layers; ++layer) {
      plan.Run(layer, query, key, value, output, nullptr);
    }
    const auto ended = Clock::now();
    if (!counts) return;
    prepare.push_back(Microseconds(prepared - begun));
    run.push_back(Microseconds(ended - prepared));
  };
  pass(false);
  CheckRow(overhead, queries, keys, values, outputs);
  while (prepare.size() < static_cast<size_t>(overhead.passes)) {
    for (int i = -kWarmUpPasses; i < kBlockPasses; ++i) pass(i >= 0);
    std::this_thread::sleep_for(kRest);
  }
  json->Open('{');
  json->Key("backend").Value("cpu");
  json->Key("cache").Value(cache_name);
  json->Key("sequences").Value(sequences);
  json->Key("length").Value(overhead.length);
  json->Key("layers").Value(shape.layers);
  json->Key("prepareUs").Value(prepare);
  json->Key("runUs").Value(run);
  json->Close('}');
}

void MeasureCalls(const HostOverhead& overhead, const std::string& cache_name, int32_t sequences,
                  Json* json) {
  HostShape shape = overhead.shape;
  shape.layers = 1;
  std::mt19937_64 random(overhead.seed);
  HostRows queries(shape, 1, shape.query_heads, &random);
  HostRows keys(shape, 1, shape.kv_heads, &random);
  HostCache cache(shape, cache_name, sequences, kCallLength, kCallMaxLength);
  HostPlan plan(shape, &cache, 1, true);
  plan.Prepare(0);
  const vattn_tensor query = queries.Tensor(0);
  const vattn_tensor key = keys.Tensor(0);
  float number = 0;
  vattn_tensor lse{};
  lse.data = &number;
  lse.dtype = VATTN_FLOAT32;
  lse.device_type = VATTN_DEVICE_CPU;
  lse.rank = 2;
  lse.shape[1] = shape.query_heads;
  lse.stride[0] = shape.query_heads;
  lse.stride[1] = 1;
  std::vector<double> call;
  constexpr int kWarmUp = 2;
  for (int sample = -kWarmUp; sample < overhead.samples; ++sample) {
    const auto begun = Clock::now();
    for (int i = 0; i < overhead.calls; ++i) plan.Run(0, query, key, key, query, &lse);
    const double us = Microseconds(Clock::now() - begun) / overhead.calls;
    if (sample >= 0) call.push_back(us);
    std::this_thread::sleep_for(kRest);
  }
  json->Open('{');
  json->Key("backend").Value("cpu");
  json->Key("cache").Value(cache_name);
  json->Key("sequences").Value(sequences);
  json->Key("callUs").Value(call);
  json->Close('}');
}

}  // namespace vattention::bench
