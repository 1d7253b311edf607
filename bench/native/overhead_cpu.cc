// What calls of the CPU's backend cost from C++, beside which the suite `overhead` measures the
// same from JavaScript:
//
//   passes  a decode pass: asking the cache where the sequences are and plan_prepare, then plan_run
//           with new keys and values for each layer. On the CPU the attention is part of it
//   calls   plan_run of sequences without new tokens: checks and handing over, nothing to compute
//
// Prints one line of JSON: raw samples, from which the suite makes figures.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "bench/native/failure.h"
#include "bench/native/host_attention.h"
#include "bench/native/json.h"

namespace vattention::bench {
namespace {

using Clock = std::chrono::steady_clock;

// As the suite has them: overhead/time-block.ts says why, harness/rounds.ts why there are rests.
constexpr int kBlockPasses = 20;
constexpr int kWarmUpPasses = 10;
constexpr std::chrono::milliseconds kRest(25);
// Of sequences without new tokens.
constexpr int32_t kCallLength = 16;
constexpr int32_t kCallMaxLength = 512;
constexpr int32_t kCallBatches[] = {1, 8, 64};
// Errors of outputs in 16-bit floats, as a part of the row's largest number and beyond.
constexpr double kMostError = 0.02;
constexpr double kLeastError = 1e-4;

struct Options {
  std::string what = "passes,calls";
  HostShape shape;
  std::vector<std::string> caches = {"split"};
  int32_t sequences = 4;
  int32_t length = 8;
  int passes = 1200;
  int calls = 20000;  // of a sample
  int samples = 20;
  uint64_t seed = 20240507;
};

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
void CheckRow(const Options& options, const HostRows& query, const KvRows& key, const KvRows& value,
              const HostRows& output) {
  const HostShape& shape = options.shape;
  const int32_t sequence = options.sequences - 1;
  for (int32_t head = 0; head < shape.query_heads; ++head) {
    const int32_t kv_head = head / (shape.query_heads / shape.kv_heads);
    std::vector<double> weights;
    double sum = 0;
    for (int32_t token = 0; token < options.length; ++token) {
      double score = 0;
      for (int32_t e = 0; e < shape.head_dim; ++e) {
        score +=
            query.At(sequence, head, e) * KvAt(key, options.length, sequence, token, kv_head, e);
      }
      weights.push_back(std::exp(score / std::sqrt(shape.head_dim)));
      sum += weights.back();
    }
    std::vector<double> expected;
    double most = 0;
    for (int32_t e = 0; e < shape.head_dim; ++e) {
      double number = 0;
      for (int32_t token = 0; token < options.length; ++token) {
        number += weights[static_cast<size_t>(token)] / sum *
                  KvAt(value, options.length, sequence, token, kv_head, e);
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

void MeasurePasses(const Options& options, const std::string& cache_name, Json* json) {
  const HostShape& shape = options.shape;
  const int32_t sequences = options.sequences;
  std::mt19937_64 random(options.seed);
  const int64_t tokens = int64_t{sequences} * options.length;
  const auto rows = [&](int64_t count, int32_t heads) {
    return HostRows(shape, count, heads, &random);
  };
  KvRows keys = {rows(tokens, shape.kv_heads), rows(sequences, shape.kv_heads)};
  KvRows values = {rows(tokens, shape.kv_heads), rows(sequences, shape.kv_heads)};
  HostRows queries = rows(tokens, shape.query_heads);
  HostRows outputs = rows(tokens, shape.query_heads);
  HostCache cache(shape, cache_name, sequences, options.length, options.length);
  {
    HostPlan fill(shape, &cache, options.length, false);
    fill.Prepare(static_cast<uint32_t>(options.length));
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
  CheckRow(options, queries, keys, values, outputs);
  while (prepare.size() < static_cast<size_t>(options.passes)) {
    for (int i = -kWarmUpPasses; i < kBlockPasses; ++i) pass(i >= 0);
    std::this_thread::sleep_for(kRest);
  }
  json->Open('{');
  json->Key("backend").Value("cpu");
  json->Key("cache").Value(cache_name);
  json->Key("sequences").Value(sequences);
  json->Key("length").Value(options.length);
  json->Key("layers").Value(shape.layers);
  json->Key("prepareUs").Value(prepare);
  json->Key("runUs").Value(run);
  json->Close('}');
}

void MeasureCalls(const Options& options, const std::string& cache_name, int32_t sequences,
                  Json* json) {
  HostShape shape = options.shape;
  shape.layers = 1;
  std::mt19937_64 random(options.seed);
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
  for (int sample = -kWarmUp; sample < options.samples; ++sample) {
    const auto begun = Clock::now();
    for (int i = 0; i < options.calls; ++i) plan.Run(0, query, key, key, query, &lse);
    const double us = Microseconds(Clock::now() - begun) / options.calls;
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

int Main(const Options& options) {
  Json passes, calls, skipped;
  const auto attempt = [&skipped](const std::string& what, Json* to, const auto& measure) {
    Json own;
    try {
      measure(&own);
    } catch (const std::exception& error) {
      skipped.Open('{').Key("case").Value(what).Key("reason").Value(error.what()).Close('}');
      return;
    }
    to->Raw(own.text());
  };
  for (const std::string& cache : options.caches) {
    if (options.what.find("passes") != std::string::npos) {
      attempt("cpu " + cache, &passes, [&](Json* own) { MeasurePasses(options, cache, own); });
    }
    if (options.what.find("calls") == std::string::npos) continue;
    for (const int32_t sequences : kCallBatches) {
      attempt("cpu " + cache + ": plan_run of " + std::to_string(sequences) + " without new tokens",
              &calls, [&](Json* own) { MeasureCalls(options, cache, sequences, own); });
    }
  }
  Json json;
  json.Open('{');
  json.Key("cpu").Open('[');
  if (!passes.text().empty()) json.Raw(passes.text());
  json.Close(']');
  json.Key("calls").Open('[');
  if (!calls.text().empty()) json.Raw(calls.text());
  json.Close(']');
  json.Key("skipped").Open('[');
  if (!skipped.text().empty()) json.Raw(skipped.text());
  json.Close(']');
  json.Close('}');
  std::puts(json.text().c_str());
  return 0;
}

bool ParseShape(const std::string& text, HostShape* shape) {
  return std::sscanf(text.c_str(), "%d/%d/%d/%d", &shape->layers, &shape->query_heads,
                     &shape->kv_heads, &shape->head_dim) == 4;
}

bool ParseDtype(const std::string& text, HostShape* shape) {
  const std::vector<std::string> names = {"float32", "float16", "bfloat16"};
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == text) {
      shape->dtype = static_cast<int32_t>(i);  // vattn_dtype
      return true;
    }
  }
  return false;
}

std::optional<Options> Parse(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; i += 2) {
    const std::string name = arguments[i];
    if (i + 1 == count) return std::nullopt;
    const char* value = arguments[i + 1];
    bool known = true;
    if (name == "--what") {
      options.what = value;
    } else if (name == "--shape") {
      known = ParseShape(value, &options.shape);
    } else if (name == "--dtype") {
      known = ParseDtype(value, &options.shape);
    } else if (name == "--caches") {
      options.caches.clear();
      std::istringstream list(value);
      for (std::string one; std::getline(list, one, ',');) options.caches.push_back(one);
    } else if (name == "--sequences") {
      options.sequences = std::atoi(value);
    } else if (name == "--length") {
      options.length = std::atoi(value);
    } else if (name == "--passes") {
      options.passes = std::atoi(value);
    } else if (name == "--calls") {
      options.calls = std::atoi(value);
    } else if (name == "--samples") {
      options.samples = std::atoi(value);
    } else if (name == "--seed") {
      options.seed = std::strtoull(value, nullptr, 10);
    } else {
      known = false;
    }
    if (!known) return std::nullopt;
  }
  return options;
}

}  // namespace
}  // namespace vattention::bench

int main(int count, char** arguments) {
  const auto options = vattention::bench::Parse(count, arguments);
  if (!options) {
    std::fputs(
        "overhead_cpu [--what passes,calls] [--shape LAYERS/QUERY_HEADS/KV_HEADS/HEAD_DIM]\n"
        "             [--dtype float32|float16|bfloat16] [--caches split,interleaved,paged-N]\n"
        "             [--sequences N] [--length TOKENS] [--passes N] [--calls N] [--samples N]\n"
        "             [--seed N]\n",
        stderr);
    return 2;
  }
  try {
    return vattention::bench::Main(*options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
