#include "bench/native/kv_place.h"

#include <algorithm>
#include <cstring>
#include <random>

#include "bench/native/device_array.h"
#include "bench/native/failure.h"
#include "bench/native/raw_attention.h"
#include "vattention/contiguous_cache.h"
#include "vattention/paged_cache.h"

namespace vattention::bench {
namespace {

constexpr int32_t kElementBytes = 2;
constexpr int64_t kRowBytes = kKvRow * kElementBytes;
// Rows of noise: 32 MiB, which later rows repeat.
constexpr int64_t kNoiseRows = 16384;
constexpr int64_t kNoiseStep = 1021;  // a prime: no two copies begin alike
// Slots are whole blocks of every size that a kernel cuts them into.
constexpr int64_t kSlotStep = 256;
constexpr uint64_t kMiB = uint64_t{1} << 20;

uint16_t ToBfloat16(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  bits += 0x7fff + ((bits >> 16) & 1);  // to nearest even
  return static_cast<uint16_t>(bits >> 16);
}

vattn_cache_shape ShapeOf(const KvShape& shape, int64_t max_length) {
  return {sizeof(vattn_cache_shape), shape.layers, kKvHeads, kHeadDim, kHeadDim, VATTN_BFLOAT16,
          shape.sequences,           max_length};
}

vattn_tensor Rows(void* data, int64_t slots, int64_t rows) {
  vattn_tensor tensor{};
  tensor.data = data;
  tensor.dtype = VATTN_BFLOAT16;
  tensor.device_type = VATTN_DEVICE_CUDA;
  tensor.rank = 4;
  const int64_t shape[] = {slots, rows, kKvHeads, kHeadDim};
  const int64_t stride[] = {rows * kKvRow, kKvRow, kHeadDim, 1};
  std::copy(shape, shape + 4, tensor.shape);
  std::copy(stride, stride + 4, tensor.stride);
  return tensor;
}

int64_t RoundUp(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

uint64_t KvBytes(const KvShape& shape, int64_t length) {
  return static_cast<uint64_t>(2 * kRowBytes * shape.layers * shape.sequences * length);
}

}  // namespace

Noise::Noise(uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<uint16_t> numbers(static_cast<size_t>(kNoiseRows * kKvRow));
  for (uint16_t& number : numbers) number = ToBfloat16(normal(generator));
  rows_ = Upload(numbers);
}

void Noise::CopyRows(void* to, int64_t pitch, int64_t rows, int64_t salt) const {
  int64_t from = salt * kNoiseStep % kNoiseRows;
  for (int64_t done = 0; done < rows;) {
    const int64_t count = std::min(rows - done, kNoiseRows - from);
    Check(cudaMemcpy2DAsync(static_cast<char*>(to) + done * pitch, static_cast<size_t>(pitch),
                            rows_.data<char>() + from * kRowBytes, kRowBytes, kRowBytes,
                            static_cast<size_t>(count), cudaMemcpyDeviceToDevice, nullptr),
          "cudaMemcpy2DAsync");
    done += count;
    from = 0;
  }
}

KvPlace::KvPlace(const KvShape& shape) : shape_(shape) {
  const auto count = static_cast<size_t>(shape.sequences);
  slot_.resize(count);
  for (size_t i = 0; i < count; ++i) slot_[i] = static_cast<uint32_t>(i);
  backed_.assign(count, static_cast<uint32_t>(shape.length));
  kv_ = backed_;
  first_kept_.assign(count, 0);
}

vattn_batch KvPlace::Batch(uint32_t query) {
  query_.assign(slot_.size(), query);
  vattn_batch batch{};
  batch.size = sizeof(batch);
  batch.count = shape_.sequences;
  batch.query_length = query_.data();
  batch.kv_length = kv_.data();
  batch.slot = slot_.data();
  batch.backed_length = backed_.data();
  batch.first_kept = first_kept_.data();
  batch.block_table = table_.empty() ? nullptr : table_.data();
  batch.block_table_stride = table_stride_;
  return batch;
}

AllocatedKv::AllocatedKv(const KvShape& shape, const Noise& noise)
    : KvPlace(shape), slot_rows_(RoundUp(shape.length + kTailRows, kSlotStep)) {
  for (int32_t i = 0; i < 2 * shape.layers; ++i) {
    const size_t bytes = static_cast<size_t>(shape.sequences * slot_rows_ * kRowBytes);
    memory_.emplace_back(bytes);
    char* data = memory_.back().data<char>();
    Check(cudaMemsetAsync(data, 0, bytes, nullptr), "cudaMemsetAsync");
    for (int32_t slot = 0; slot < shape.sequences; ++slot) {
      noise.CopyRows(data + slot * slot_rows_ * kRowBytes, kRowBytes, shape.length,
                     int64_t{i} * shape.sequences + slot);
    }
    (i % 2 == 0 ? key_ : value_).push_back(Rows(data, shape.sequences, slot_rows_));
  }
  view_.size = sizeof(view_);
  view_.kind = VATTN_CONTIGUOUS;
  view_.shape = ShapeOf(shape, slot_rows_);
  view_.tail_rows = kTailRows;
  view_.finite_tail = 1;
  view_.key = key_.data();
  view_.value = value_.data();
}

CachedKv::CachedKv(const KvShape& shape, const vattn_cache_ref& ref, Close close)
    : KvPlace(shape), ref_(ref), close_(close) {
  Error error;
  view_.size = sizeof(view_);
  error.Check(ref_.api->view(ref_.cache, &view_, &error), "view");
  for (int32_t i = 0; i < shape.sequences; ++i) {
    vattn_sequence sequence = 0;
    error.Check(ref_.api->allocate(ref_.cache, &sequence, &error), "allocate");
    sequences_.push_back(sequence);
  }
  vattn_step_result result{};
  result.size = sizeof(result);
  error.Check(
      ref_.api->step(ref_.cache, sequences_.data(), kv_.data(), shape.sequences, &result, &error),
      "step");
  if (result.outcome != VATTN_STEP_OK) throw Failure("the device has too little memory");
  const vattn_stream stream = {VATTN_DEVICE_CUDA, 0, 0};
  error.Check(ref_.api->attach_stream(ref_.cache, stream, &error), "attach_stream");
  error.Check(ref_.api->wait_ready(ref_.cache, stream, &error), "wait_ready");
  Resolve();
}

CachedKv::~CachedKv() {
  cudaDeviceSynchronize();
  close_(ref_.cache, nullptr);
  ref_.api->release(ref_.cache);
}

void CachedKv::Resolve() {
  Error error;
  vattn_rows rows{};
  rows.size = sizeof(rows);
  rows.count = shape_.sequences;
  rows.slot = slot_.data();
  rows.backed_length = backed_.data();
  rows.first_kept = first_kept_.data();
  if (view_.kind == VATTN_PAGED) {
    table_stride_ = (shape_.length + view_.block_tokens - 1) / view_.block_tokens;
    table_.resize(static_cast<size_t>(shape_.sequences) * static_cast<size_t>(table_stride_));
    rows.block_table = table_.data();
    rows.block_table_stride = table_stride_;
  }
  error.Check(ref_.api->resolve(ref_.cache, sequences_.data(), rows.count, &rows, &error),
              "resolve");
}

std::unique_ptr<CachedKv> MakePagesKv(const KvShape& shape, const Noise& noise) {
  const int64_t max_length = RoundUp(shape.length, kSlotStep);
  vattn_contiguous_options options{};
  options.size = sizeof(options);
  options.shape = ShapeOf(shape, max_length);
  options.device_type = VATTN_DEVICE_CUDA;
  // Half a page for each tensor of each sequence is lost at the most, and the tail.
  options.limit_bytes = KvBytes(shape, max_length + 4 * kTailRows) + 4096 * kMiB;
  options.layout = shape.interleaved ? VATTN_LAYOUT_INTERLEAVED : VATTN_LAYOUT_SPLIT;
  options.tail_rows = kTailRows;
  options.lead_rows = 256;
  Error error;
  vattn_cache_ref ref{sizeof(vattn_cache_ref), nullptr, nullptr};
  error.Check(vattn_contiguous_create(&options, &ref, &error), "vattn_contiguous_create");
  auto place = std::make_unique<CachedKv>(shape, ref, vattn_contiguous_close);
  const vattn_batch batch = place->Batch(1);
  for (int32_t layer = 0; layer < shape.layers; ++layer) {
    const vattn_tensor* tensors[] = {&place->view().key[layer], &place->view().value[layer]};
    for (int32_t kind = 0; kind < 2; ++kind) {
      const vattn_tensor& tensor = *tensors[kind];
      for (int32_t i = 0; i < shape.sequences; ++i) {
        // The same rows as in AllocatedKv.
        noise.CopyRows(
            static_cast<char*>(tensor.data) + batch.slot[i] * tensor.stride[0] * kElementBytes,
            tensor.stride[1] * kElementBytes, shape.length,
            int64_t{2 * layer + kind} * shape.sequences + i);
      }
    }
  }
  return place;
}

std::unique_ptr<CachedKv> MakeBlocksKv(const KvShape& shape, int32_t block_tokens,
                                       const Noise& noise) {
  const int64_t max_length = RoundUp(shape.length, kSlotStep);
  vattn_paged_options options{};
  options.size = sizeof(options);
  options.shape = ShapeOf(shape, max_length);
  options.device_type = VATTN_DEVICE_CUDA;
  options.limit_bytes = KvBytes(shape, max_length);
  options.block_tokens = block_tokens;
  options.pool_layout = VATTN_POOL_PAGED_ATTENTION;
  Error error;
  vattn_cache_ref ref{sizeof(vattn_cache_ref), nullptr, nullptr};
  error.Check(vattn_paged_create(&options, &ref, &error), "vattn_paged_create");
  auto place = std::make_unique<CachedKv>(shape, ref, vattn_paged_close);
  const int64_t rows = int64_t{place->view().blocks} * block_tokens;
  for (int32_t layer = 0; layer < shape.layers; ++layer) {
    // Of random numbers any order is as good.
    noise.CopyRows(place->view().key[layer].data, kRowBytes, rows, int64_t{2} * layer);
    noise.CopyRows(place->view().value[layer].data, kRowBytes, rows, int64_t{2} * layer + 1);
  }
  return place;
}

}  // namespace vattention::bench
