// What calls of the CPU's backend cost from C++, beside which the suite `overhead` measures the
// same from JavaScript:
//
//   passes  a decode pass: asking the cache where the sequences are and plan_prepare, then plan_run
//           with new keys and values for each layer. On the CPU the attention is part of it
//   calls   plan_run of sequences without new tokens: checks and handing over, nothing to compute
//
// Prints one line of JSON: raw samples, from which the suite makes figures.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "bench/native/host_overhead.h"
#include "bench/native/json.h"

namespace vattention::bench {
namespace {

struct Options {
  std::string what = "passes,calls";
  std::vector<std::string> caches = {"split"};
  std::vector<std::string> batches = {"1", "8", "64"};  // of calls
  HostOverhead overhead;
};

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
      attempt("cpu " + cache, &passes,
              [&](Json* own) { MeasurePasses(options.overhead, cache, own); });
    }
    if (options.what.find("calls") == std::string::npos) continue;
    for (const std::string& batch : options.batches) {
      attempt("cpu " + cache + ": plan_run of " + batch + " without new tokens", &calls,
              [&](Json* own) { MeasureCalls(options.overhead, cache, std::stoi(batch), own); });
    }
  }
  Json json;
  json.Open('{');
  const auto array = [&json](const char* key, const Json& items) {
    json.Key(key).Open('[');
    if (!items.text().empty()) json.Raw(items.text());
    json.Close(']');
  };
  array("cpu", passes);
  array("calls", calls);
  array("skipped", skipped);
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

std::vector<std::string> List(const std::string& text) {
  std::vector<std::string> found;
  std::istringstream list(text);
  for (std::string one; std::getline(list, one, ',');) found.push_back(one);
  return found;
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
      known = ParseShape(value, &options.overhead.shape);
    } else if (name == "--dtype") {
      known = ParseDtype(value, &options.overhead.shape);
    } else if (name == "--caches") {
      options.caches = List(value);
    } else if (name == "--batches") {
      options.batches = List(value);
    } else if (name == "--sequences") {
      options.overhead.sequences = std::atoi(value);
    } else if (name == "--length") {
      options.overhead.length = std::atoi(value);
    } else if (name == "--passes") {
      options.overhead.passes = std::atoi(value);
    } else if (name == "--calls") {
      options.overhead.calls = std::atoi(value);
    } else if (name == "--samples") {
      options.overhead.samples = std::atoi(value);
    } else if (name == "--seed") {
      options.overhead.seed = std::strtoull(value, nullptr, 10);
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
        "             [--sequences N] [--length TOKENS] [--passes N] [--batches SEQUENCES,...]\n"
        "             [--calls N] [--samples N] [--seed N]\n",
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
