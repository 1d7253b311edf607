#include "cache.h"

#include "failure.h"
#include "shape.h"

namespace own_engine {
namespace {

// Rows behind a sequence that FlashAttention-3 reads: its largest causal tile. Others read none.
constexpr int32_t kTailRows = 128;

vattn_contiguous_options Options(uint64_t limit_bytes) {
  vattn_contiguous_options options{};  // 0 means the default nearly everywhere
  options.size = sizeof(options);
  options.shape = {sizeof(vattn_cache_shape),
                   kLayers,
                   kKvHeads,
                   kHeadDim,
                   kHeadDim,
                   VATTN_BFLOAT16,
                   kMaxSequences,
                   kMaxLength};
  options.device_type = VATTN_DEVICE_CUDA;
  options.limit_bytes = limit_bytes;
  options.layout = VATTN_LAYOUT_INTERLEAVED;
  options.page_classes = 1;
  options.page_bytes[0] = uint64_t{2} << 20;
  options.tail_rows = kTailRows;
  options.map_ahead = 1;    // decoding then seldom waits for a page
  options.idle_slots = -1;  // a limit as small as this one has no room for slots kept ready
  return options;
}

}  // namespace

Cache::Cache(uint64_t limit_bytes, cudaStream_t stream)
    : stream_{VATTN_DEVICE_CUDA, 0, reinterpret_cast<uintptr_t>(stream)} {
  const vattn_contiguous_options options = Options(limit_bytes);
  Error error;
  error.Check(vattn_contiguous_create(&options, &ref_, &error), "vattn_contiguous_create");
  try {
    view_.size = sizeof(view_);
    error.Check(ref_.api->view(ref_.cache, &view_, &error), "view");
    // From now on no page leaves before this stream has passed the point where it was given up.
    error.Check(ref_.api->attach_stream(ref_.cache, stream_, &error), "attach_stream");
  } catch (...) {
    ref_.api->release(ref_.cache);
    throw;
  }
}

Cache::~Cache() {
  cudaStreamSynchronize(reinterpret_cast<cudaStream_t>(stream_.handle));
  ref_.api->detach_stream(ref_.cache, stream_, nullptr);
  vattn_contiguous_close(ref_.cache, nullptr);
  ref_.api->release(ref_.cache);
}

vattn_sequence Cache::Allocate() {
  Error error;
  vattn_sequence sequence = 0;
  error.Check(ref_.api->allocate(ref_.cache, &sequence, &error), "allocate");
  return sequence;
}

vattn_sequence Cache::Fork(vattn_sequence source, uint32_t length) {
  Error error;
  vattn_sequence sequence = 0;
  error.Check(ref_.api->fork(ref_.cache, source, length, &sequence, &error), "fork");
  return sequence;
}

void Cache::Free(vattn_sequence sequence) {
  Error error;
  // No fence given: the pages wait for the attached stream.
  error.Check(ref_.api->free(ref_.cache, sequence, nullptr, &error), "free");
}

vattn_step_result Cache::Step(const std::vector<vattn_sequence>& sequences,
                              const std::vector<uint32_t>& lengths) {
  Error error;
  vattn_step_result result{};
  result.size = sizeof(result);
  error.Check(ref_.api->step(ref_.cache, sequences.data(), lengths.data(),
                             static_cast<int32_t>(sequences.size()), &result, &error),
              "step");
  // The cache zeroes and copies on a stream of its own.
  error.Check(ref_.api->wait_ready(ref_.cache, stream_, &error), "wait_ready");
  return result;
}

void Cache::Resolve(const std::vector<vattn_sequence>& sequences, std::vector<uint32_t>* slots,
                    std::vector<uint32_t>* backed) const {
  slots->resize(sequences.size());
  backed->resize(sequences.size());
  vattn_rows rows{};
  rows.size = sizeof(rows);
  rows.count = static_cast<int32_t>(sequences.size());
  rows.slot = slots->data();
  rows.backed_length = backed->data();
  Error error;
  error.Check(ref_.api->resolve(ref_.cache, sequences.data(), rows.count, &rows, &error),
              "resolve");
}

vattn_cache_stats Cache::Stats() const {
  Error error;
  vattn_cache_stats stats{};
  stats.size = sizeof(stats);
  error.Check(ref_.api->stats(ref_.cache, &stats, &error), "stats");
  return stats;
}

}  // namespace own_engine
