// An engine of one's own over the C ABI: a contiguous KV cache, a backend's table, own kernels.
//
//   own_engine [BACKEND]
#include <cuda_runtime_api.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "backends.h"
#include "engine.h"
#include "failure.h"

namespace own_engine {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
// 8 pages of 512 tokens each: enough for the first acts, and too little for the last one.
constexpr uint64_t kLimitBytes = 16 * kMiB;
// Of outputs that are below 5: rounding them to bfloat16 is half of it, rounding the weights of the
// softmax the rest.
constexpr float kTolerance = 0.02f;

double Mebibytes(uint64_t bytes) { return static_cast<double>(bytes) / static_cast<double>(kMiB); }

std::vector<int32_t> Prompt(int32_t length, int32_t seed) {
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < length; ++i) tokens.push_back((i * 37 + i / 7 + seed) % kVocabulary);
  return tokens;
}

void PrintEnd(const char* name, const Text& text, size_t count) {
  std::printf("%-7s %4zu tokens, the last:", name, text.tokens.size());
  for (size_t i = text.tokens.size() - count; i < text.tokens.size(); ++i) {
    std::printf(" %d", text.tokens[i]);
  }
  std::puts("");
}

const char* LimitName(int32_t limit) {
  switch (limit) {
    case VATTN_LIMIT_BYTES:
      return "its limit of bytes";
    case VATTN_LIMIT_MAPPINGS:
      return "the budget of mappings";
    default:
      return "the device";
  }
}

// Two prompts in one pass, then both a token at a time.
void Serve(Engine* engine, Text* first, Text* second) {
  engine->Pass({first, second});
  std::printf("prefilled %u + %u tokens in one pass: %.1f MiB mapped\n", first->cached,
              second->cached, Mebibytes(engine->cache().Stats().mapped_bytes));
  for (int i = 1; i < 16; ++i) engine->Pass({first, second});
  PrintEnd("first", *first, 16);
  PrintEnd("second", *second, 16);
}

// A branch of `text` that says something else next. Both go on in one batch.
Text Fork(Engine* engine, Text* text) {
  const int32_t other = (text->tokens.back() + 1) % kVocabulary;
  Text branch = engine->Branch(*text, other);
  engine->Pass({text, &branch});
  const vattn_cache_stats stats = engine->cache().Stats();
  std::printf("forked the first: %llu tokens in shared pages, %llu copied\n",
              static_cast<unsigned long long>(stats.aliased_tokens),
              static_cast<unsigned long long>(stats.copied_tokens));
  for (int i = 1; i < 8; ++i) engine->Pass({text, &branch});
  PrintEnd("first", *text, 9);
  PrintEnd("branch", branch, 9);
  return branch;
}

// A prompt that does not fit, until others end. Returns whether all went as it should.
bool RunOutOfMemory(Engine* engine, const std::vector<Text*>& others) {
  constexpr uint32_t kLength = 2300;
  Text large = engine->Start(Prompt(1, 0));
  const vattn_step_result lack = engine->Reserve({&large}, {kLength});
  if (lack.outcome != VATTN_STEP_OUT_OF_MEMORY) {
    std::printf("%u more tokens fit, which they should not\n", kLength);
    return false;
  }
  std::printf("%u more tokens: out of memory (%s): %.1f MiB short, nothing changed\n", kLength,
              LimitName(lack.limit), Mebibytes(lack.needed_bytes));
  for (Text* other : others) engine->End(*other);
  const bool fits = engine->Reserve({&large}, {kLength}).outcome == VATTN_STEP_OK;
  std::printf("ended %zu others: %s\n", others.size(), fits ? "they fit" : "still no room");
  engine->End(large);
  return fits;
}

// What a mistake looks like. Returns whether it was found.
bool UseEnded(Engine* engine, Text* ended) {
  try {
    engine->Pass({ended});
  } catch (const Failure& failure) {
    std::printf("a text that has ended: status %d, %s\n", failure.status(), failure.what());
    return failure.status() == VATTN_STALE_SEQUENCE;
  }
  return false;
}

int Run(const vattn_backend& backend, cudaStream_t stream) {
  Engine engine(backend, kLimitBytes, stream);
  Text first = engine.Start(Prompt(600, 1));
  Text second = engine.Start(Prompt(40, 500));
  Serve(&engine, &first, &second);
  Text branch = Fork(&engine, &first);
  const bool memory_ok = RunOutOfMemory(&engine, {&second, &branch});
  const bool mistake_found = UseEnded(&engine, &second);
  engine.Pass({&first});  // goes on as if nothing had been

  const float worst = engine.plain().WorstDifference();
  const bool equal = worst <= kTolerance;  // false for NaN
  std::printf("attention in %d passes, %d layers each: at most %.4f from a plain kernel's: %s\n",
              engine.passes(), kLayers, static_cast<double>(worst), equal ? "equal" : "DIFFERENT");
  return memory_ok && mistake_found && equal ? 0 : 1;
}

int Main(const std::string& name) {
  const vattn_backend* backend = FindBackend(name);
  if (backend == nullptr) {
    std::fprintf(stderr, "No backend %s in this build. There are: %s.\n", name.c_str(),
                 BackendNames().c_str());
    return 2;
  }
  cudaDeviceProp device{};
  CheckCuda(cudaGetDeviceProperties(&device, 0), "cudaGetDeviceProperties");
  std::printf("%s on %s\n", backend->name, device.name);
  cudaStream_t stream = nullptr;
  CheckCuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  const int outcome = Run(*backend, stream);
  cudaStreamDestroy(stream);
  return outcome;
}

}  // namespace
}  // namespace own_engine

int main(int count, char** arguments) {
  try {
    return own_engine::Main(count > 1 ? arguments[1] : "");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
