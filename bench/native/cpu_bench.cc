#include "bench/native/cpu_bench.h"

#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "bench/native/device_array.h"
#include "bench/native/failure.h"
#include "bench/native/planned_attention.h"
#include "bench/native/raw_attention.h"

namespace vattention::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr KvShape kServing = {32, 256, 64, true};

// Not the default one, whose launches look at all others.
class Stream {
 public:
  Stream() {
    Check(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  }
  ~Stream() { cudaStreamDestroy(handle_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  cudaStream_t handle() const { return handle_; }
  vattn_stream get() const {
    return {VATTN_DEVICE_CUDA, 0, static_cast<uint64_t>(reinterpret_cast<uintptr_t>(handle_))};
  }

 private:
  cudaStream_t handle_ = nullptr;
};

// Another thread waits for the stream, and this one sleeps meanwhile, as JavaScript's does: the
// next pass finds a core that has rested and caches that others have used. Who polls finds them
// warm.
void AwaitAsleep(const Stream& stream) {
  cudaError_t status = cudaSuccess;
  std::thread([&] { status = cudaStreamSynchronize(stream.handle()); }).join();
  Check(status, "cudaStreamSynchronize");
}

double Microseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::micro>(duration).count();
}

}  // namespace

void MeasureCpu(const Backend& backend, int passes, const Noise& noise, Json* json) {
  const Stream stream;
  std::unique_ptr<CachedKv> place = backend.block_tokens > 0
                                        ? MakeBlocksKv(kServing, backend.block_tokens, noise)
                                        : MakePagesKv(kServing, noise);
  const int64_t rows = kServing.sequences;
  const DeviceBuffer query(static_cast<size_t>(rows * kQueryRow * 2));
  const DeviceBuffer output(query.bytes());
  const DeviceBuffer new_rows(static_cast<size_t>(rows * kKvRow * 2));
  noise.CopyRows(query.data(), kKvRow * 2, rows * kQueryRow / kKvRow, 7);
  noise.CopyRows(new_rows.data(), kKvRow * 2, rows, 11);
  const vattn_tensor q = RowsTensor(query.data(), rows, kQueryHeads);
  const vattn_tensor o = RowsTensor(output.data(), rows, kQueryHeads);
  const vattn_tensor kv = RowsTensor(new_rows.data(), rows, kKvHeads);
  PlannedAttention plan(*backend.table, place.get(), 1);
  const vattn_cache_ref& cache = place->ref();
  Error error;
  error.Check(cache.api->attach_stream(cache.cache, stream.get(), &error), "attach_stream");
  Check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");

  std::vector<double> prepare, run;
  constexpr int kWarmUp = 30;
  for (int pass = -kWarmUp; pass < passes; ++pass) {
    const auto begun = Clock::now();
    place->Resolve();
    error.Check(cache.api->wait_ready(cache.cache, stream.get(), &error), "wait_ready");
    plan.Prepare(stream.handle());
    const auto prepared = Clock::now();
    for (int32_t layer = 0; layer < kServing.layers; ++layer) plan.Run(layer, q, &kv, &kv, o);
    const auto ended = Clock::now();
    // Launches must not wait for room in the stream's queue.
    AwaitAsleep(stream);
    if (pass < 0) continue;
    prepare.push_back(Microseconds(prepared - begun));
    run.push_back(Microseconds(ended - prepared));
  }
  error.Check(cache.api->detach_stream(cache.cache, stream.get(), &error), "detach_stream");
  json->Open('{');
  json->Key("backend").Value(backend.name);
  json->Key("sequences").Value(kServing.sequences);
  json->Key("length").Value(kServing.length);
  json->Key("layers").Value(kServing.layers);
  json->Key("prepareUs").Value(prepare);
  json->Key("runUs").Value(run);
  json->Close('}');
}

}  // namespace vattention::bench
