// What our launches cost beside upstream's own, without JavaScript:
//
//   gpu   plan_run against the upstream launcher called with parameters that were made once, over
//         keys and values in one cudaMalloc; and plan_run over a cache's mapped pages against the
//         same over cudaMalloc. Time of the GPU, by its own clock
//   cpu   the calling thread's time for a pass of 256 decoding sequences: asking the cache where
//         they are, plan_prepare, and plan_run with new keys and values for each of 32 layers
//
// Llama-3-8B's heads, bfloat16. Every round measures each subject once, in an order of its own.
// Prints one line of JSON: raw samples, from which the suites make figures.
#include <cuda_runtime_api.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "attention/cuda/cuda_error.h"
#include "bench/native/backends.h"
#include "bench/native/cpu_bench.h"
#include "bench/native/gpu_bench.h"
#include "bench/native/json.h"
#include "bench/native/kv_place.h"

namespace vattention::bench {
namespace {

struct Options {
  std::string what = "gpu,cpu";
  std::string only;  // part of a case's name
  int rounds = 30;
  int passes = 300;  // of the CPU's measurement
  double case_seconds = 60;
  uint64_t seed = 20240507;
};

struct Skipped {
  std::string what;
  std::string reason;
};

bool Wanted(const Options& options, const std::string& name) {
  return name.find(options.only) != std::string::npos;
}

// Runs `measure`; what stops it is told, and the others go on.
template <typename Measure>
void Attempt(const std::string& what, std::vector<Skipped>* skipped, Json* json,
             Measure&& measure) {
  Json own;
  try {
    measure(&own);
  } catch (const attention::cuda::CudaError& error) {
    (void)cudaGetLastError();
    skipped->push_back({what, std::string(error.call()) + ": " + error.what()});
    return;
  } catch (const std::exception& error) {
    skipped->push_back({what, error.what()});
    return;
  }
  json->Raw(own.text());
}

int Main(const Options& options) {
  Json json;
  json.Open('{');
  int devices = 0;
  const cudaError_t found = cudaGetDeviceCount(&devices);
  if (found != cudaSuccess || devices == 0) {
    json.Key("unavailable")
        .Value(found == cudaSuccess ? "there is no GPU" : cudaGetErrorString(found));
    json.Close('}');
    std::puts(json.text().c_str());
    return 0;
  }
  const std::vector<Backend> backends = Backends();
  const Noise noise(options.seed);
  std::vector<Skipped> skipped;
  json.Key("seed").Value(static_cast<double>(options.seed));
  json.Key("gpu").Open('[');
  if (options.what.find("gpu") != std::string::npos) {
    for (const GpuCase& one : kGpuCases) {
      for (const Backend& backend : backends) {
        const std::string name = std::string(backend.name) + " " + one.name;
        if (!Serves(backend, one) || !Wanted(options, name)) continue;
        Attempt(name, &skipped, &json, [&](Json* own) {
          GpuBench({options.rounds, options.case_seconds}, noise, options.seed, own)
              .Run(one, backend);
        });
      }
    }
  }
  json.Close(']');
  json.Key("cpu").Open('[');
  if (options.what.find("cpu") != std::string::npos) {
    for (const Backend& backend : backends) {
      if (!Wanted(options, backend.name)) continue;
      Attempt(std::string(backend.name) + " cpu", &skipped, &json,
              [&](Json* own) { MeasureCpu(backend, options.passes, noise, own); });
    }
  }
  json.Close(']');
  json.Key("skipped").Open('[');
  for (const Skipped& one : skipped) {
    json.Open('{').Key("case").Value(one.what).Key("reason").Value(one.reason).Close('}');
  }
  json.Close(']');
  json.Close('}');
  std::puts(json.text().c_str());
  return 0;
}

std::optional<Options> Parse(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; i += 2) {
    const std::string name = arguments[i];
    if (i + 1 == count) return std::nullopt;
    const char* value = arguments[i + 1];
    if (name == "--what") {
      options.what = value;
    } else if (name == "--only") {
      options.only = value;
    } else if (name == "--rounds") {
      options.rounds = std::atoi(value);
    } else if (name == "--passes") {
      options.passes = std::atoi(value);
    } else if (name == "--budget") {
      options.case_seconds = std::atof(value);
    } else if (name == "--seed") {
      options.seed = std::strtoull(value, nullptr, 10);
    } else {
      return std::nullopt;
    }
  }
  return options;
}

}  // namespace
}  // namespace vattention::bench

int main(int count, char** arguments) {
  const auto options = vattention::bench::Parse(count, arguments);
  if (!options) {
    std::fputs(
        "launch_cuda [--what gpu,cpu] [--only PART_OF_A_NAME] [--rounds N] [--passes N]\n"
        "            [--budget SECONDS_OF_A_CASE] [--seed N]\n",
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
