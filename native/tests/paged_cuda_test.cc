// The paged cache on a GPU. Without one: that it says so. With VATTENTION_TEST_DEVICE=cuda: pools
// of a real model's size on the first device. The other tests of the paged cache, its fuzz test
// among them, run there too.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "memory/cuda_driver.h"
#include "tests/check.h"
#include "tests/held_stream.h"
#include "vattention/paged_cache.h"

namespace vattention::testing {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kPage = 2 * kMiB;
constexpr int32_t kLayers = 32;

// Llama-3-8B: 2 MiB a block of 16 tokens.
vattn_paged_options Options(int32_t layout, uint64_t limit_bytes) {
  vattn_paged_options options = {};
  options.size = sizeof(options);
  options.shape = {.size = sizeof(vattn_cache_shape),
                   .layers = kLayers,
                   .kv_heads = 8,
                   .head_dim = 128,
                   .value_head_dim = 128,
                   .dtype = VATTN_BFLOAT16,
                   .max_sequences = 16,
                   .max_length = 8192};
  options.device_type = VATTN_DEVICE_CUDA;
  options.limit_bytes = limit_bytes;
  options.block_tokens = 16;
  options.pool_layout = layout;
  options.prefix_cache = 1;
  return options;
}

void Ok(const DriverStatus& status) {
  if (status.ok()) return;
  Fail(__FILE__, __LINE__, std::string(status.call) + ": " + std::to_string(status.code));
}

std::unique_ptr<CudaDriver> MakeCudaDriver() {
  DriverStatus status;
  std::string why;
  std::unique_ptr<CudaDriver> driver = CudaDriver::Make(0, &status, &why);
  if (driver == nullptr) Fail(__FILE__, __LINE__, why);
  return driver;
}

class Pool {
 public:
  explicit Pool(const vattn_paged_options& options) {
    error_.size = sizeof(error_);
    ref_.size = sizeof(ref_);
    Must(vattn_paged_create(&options, &ref_, &error_));
    view.size = sizeof(view);
    Must(ref_.api->view(ref_.cache, &view, &error_));
  }
  ~Pool() {
    if (ref_.cache != nullptr) ref_.api->release(ref_.cache);
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  const vattn_cache_api& api() const { return *ref_.api; }
  vattn_cache* cache() const { return ref_.cache; }
  vattn_error* error() { return &error_; }
  void Must(vattn_status status) {
    if (status != VATTN_OK) Fail(__FILE__, __LINE__, error_.message);
  }

  vattn_sequence Allocate() {
    vattn_sequence sequence = 0;
    Must(api().allocate(cache(), &sequence, &error_));
    return sequence;
  }
  vattn_sequence Fork(vattn_sequence source, uint32_t length) {
    vattn_sequence sequence = 0;
    Must(api().fork(cache(), source, length, &sequence, &error_));
    return sequence;
  }
  vattn_step_result Step(vattn_sequence sequence, uint32_t length) {
    vattn_step_result result = {};
    result.size = sizeof(result);
    Must(api().step(cache(), &sequence, &length, 1, &result, &error_));
    return result;
  }
  vattn_sequence Grown(uint32_t length) {
    const vattn_sequence sequence = Allocate();
    CHECK_EQ(Step(sequence, length).outcome, VATTN_STEP_OK);
    return sequence;
  }
  void Free(vattn_sequence sequence) { Must(api().free(cache(), sequence, nullptr, &error_)); }
  vattn_cache_stats Stats() {
    vattn_cache_stats stats = {};
    stats.size = sizeof(stats);
    Must(api().stats(cache(), &stats, &error_));
    return stats;
  }
  std::vector<int32_t> Table(vattn_sequence sequence) {
    std::vector<int32_t> table(static_cast<size_t>(view.max_blocks));
    vattn_rows rows = {};
    rows.size = sizeof(rows);
    rows.block_table = table.data();
    rows.block_table_stride = view.max_blocks;
    Must(api().resolve(cache(), &sequence, 1, &rows, &error_));
    table.resize(static_cast<size_t>(rows.widest));
    return table;
  }
  void Attach(const CudaStream& stream) {
    Must(api().attach_stream(cache(), stream.get(), &error_));
  }
  void WaitReady(const CudaStream& stream) {
    Must(api().wait_ready(cache(), stream.get(), &error_));
  }

  size_t block_bytes() const { return static_cast<size_t>(view.key[0].stride[0]) * 2; }
  // A block in one tensor.
  uintptr_t BlockAt(int32_t layer, bool value, int32_t block) const {
    const vattn_tensor& tensor = value ? view.value[layer] : view.key[layer];
    return reinterpret_cast<uintptr_t>(tensor.data) + static_cast<uintptr_t>(block) * block_bytes();
  }
  // Which token an element of a block is of.
  int32_t TokenOf(bool value, size_t element) const {
    if (view.pool_layout == VATTN_POOL_NHD) return static_cast<int32_t>(element / (8 * 128));
    return static_cast<int32_t>(value ? element % 16 : element / 8 % 16);
  }

  // What element `i` of a block that was written with `seed` holds.
  static uint16_t Element(uint32_t seed, int32_t layer, bool value, size_t i) {
    uint32_t hash = seed * 2654435761u + static_cast<uint32_t>(layer) * 40503u + (value ? 977u : 0);
    hash = (hash ^ static_cast<uint32_t>(i)) * 2246822519u;
    return static_cast<uint16_t>(hash >> 16 | 1);
  }
  void Write(CudaStream* stream, int32_t block, uint32_t seed) {
    std::vector<uint16_t> data(block_bytes() / 2);
    for (int32_t layer = 0; layer < kLayers; ++layer) {
      for (const bool value : {false, true}) {
        for (size_t i = 0; i < data.size(); ++i) data[i] = Element(seed, layer, value, i);
        stream->Write(reinterpret_cast<void*>(BlockAt(layer, value, block)), data.data(),
                      block_bytes());
      }
    }
  }
  // The first `rows` tokens of a block are what Write wrote, the others zero.
  bool Holds(CudaStream* stream, int32_t block, uint32_t seed, int32_t rows) {
    std::vector<uint16_t> data(block_bytes() / 2);
    for (int32_t layer = 0; layer < kLayers; ++layer) {
      for (const bool value : {false, true}) {
        stream->Read(data.data(), reinterpret_cast<void*>(BlockAt(layer, value, block)),
                     block_bytes());
        for (size_t i = 0; i < data.size(); ++i) {
          const bool own = TokenOf(value, i) < rows;
          if (data[i] != (own ? Element(seed, layer, value, i) : 0)) return false;
        }
      }
    }
    return true;
  }

  vattn_cache_view view = {};

 private:
  vattn_cache_ref ref_ = {};
  vattn_error error_ = {};
};

// Fills a block of a layer behind what the stream is doing, without waiting for it.
void FillLater(CudaStream* stream, const Pool& pool, int32_t block, uint32_t word) {
  const CudaContext::Scope scope(stream->context());
  for (int32_t layer = 0; layer < kLayers; ++layer) {
    for (const bool value : {false, true}) {
      CudaStream::Must(stream->api().set32(pool.BlockAt(layer, value, block), word,
                                           pool.block_bytes() / 4, stream->handle()));
    }
  }
}

TEST(WithoutTheDeviceCreatingSaysWhy) {
  vattn_paged_options options = Options(VATTN_POOL_NHD, 64 * kMiB);
  options.device_index = 1000;
  vattn_cache_ref ref = {};
  ref.size = sizeof(ref);
  vattn_error error = {};
  error.size = sizeof(error);
  CHECK_EQ(vattn_paged_create(&options, &ref, &error), VATTN_UNSUPPORTED);
  CHECK(ref.cache == nullptr);
  const std::string message = error.message;
  const char* reason = OnCuda() ? "There is no CUDA device 1000" : "CUDA";
  CHECK(message.find(reason) != std::string::npos || message.find("libcuda") != std::string::npos);
}

TEST(GeometryNeedsNoGpu) {
  const vattn_paged_options options = Options(VATTN_POOL_PAGED_ATTENTION, 65 * kMiB);
  vattn_paged_geometry geometry = {};
  geometry.size = sizeof(geometry);
  CHECK_EQ(vattn_paged_geometry_of(&options, &geometry, nullptr), VATTN_OK);
  CHECK_EQ(geometry.block_bytes, kPage);
  CHECK_EQ(geometry.blocks, 32);
  CHECK_EQ(geometry.reserved_bytes, 64 * kMiB);
  vattn_paged_options odd = options;
  odd.shape.layers = 31;
  CHECK_EQ(vattn_paged_geometry_of(&odd, &geometry, nullptr), VATTN_OK);
  CHECK_EQ(geometry.reserved_bytes % kPage, 0u);  // whole pages of the GPU
  CHECK_GE(geometry.reserved_bytes, geometry.pool_bytes);
}

TEST(StridedCallsReachAcrossPages) {
  if (!OnCuda()) return;
  auto driver = MakeCudaDriver();
  uintptr_t base = 0;
  Ok(driver->Reserve(8 * kPage, &base));
  std::vector<PageHandle> pages;
  Ok(driver->Create(kPage, 8, kNoPage, &pages));
  std::vector<PagePiece> pieces;
  for (const PageHandle page : pages) pieces.push_back({page, kPage});
  Ok(driver->Map(base, pieces, false));
  std::vector<uint8_t> bytes(8 * kPage);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 2654435761u >> 13);
  CudaStream stream;
  stream.Write(reinterpret_cast<void*>(base), bytes.data(), bytes.size());

  // 4 planes in pages of their own, of 100 pieces of 20 bytes; the pitch divides the distance.
  constexpr uint64_t kPitch = 32;
  const Planes planes = {20, kPitch, 100, 2 * kPage - 1024 * kPitch, 4};
  constexpr uint64_t kFrom = 64;
  constexpr uint64_t kTo = kPage / 2;
  Ok(driver->CopyPlanes(base + kTo, base + kFrom, planes));
  Ok(driver->ZeroRows(base + kTo + 8192, 4096, 2 * kPage, 4));
  Ok(driver->ZeroRows(base + kTo + 16381, 333, 2 * kPage, 4));  // not aligned to words
  Ok(driver->CopyRows(base + kTo + 32768, base + kFrom + 32768, 5000, 2 * kPage, 4));
  Ok(driver->MakeStreamWait(stream.get()));
  for (uint64_t plane = 0; plane < 4; ++plane) {
    for (uint64_t row = 0; row < 100; ++row) {
      const uint64_t at = plane * planes.plane_pitch + row * kPitch;
      std::copy_n(&bytes[kFrom + at], 20, &bytes[kTo + at]);
    }
  }
  for (uint64_t row = 0; row < 4; ++row) {
    const uint64_t at = kTo + row * 2 * kPage;
    std::fill_n(&bytes[at + 8192], 4096, uint8_t{0});
    std::fill_n(&bytes[at + 16381], 333, uint8_t{0});
    std::copy_n(&bytes[kFrom + 32768 + row * 2 * kPage], 5000, &bytes[at + 32768]);
  }
  std::vector<uint8_t> found(bytes.size());
  stream.Read(found.data(), reinterpret_cast<void*>(base), found.size());
  CHECK(found == bytes);
}

TEST(ThePoolIsMadeOfLargePagesAndClear) {
  if (!OnCuda()) return;
  Pool pool(Options(VATTN_POOL_NHD, (256 + 32 + 8 + 2) * kMiB));
  const vattn_cache_stats stats = pool.Stats();
  CHECK_EQ(stats.total_bytes, 298 * kMiB);
  CHECK_EQ(stats.live_mappings, 5u);
  CHECK_EQ(pool.view.key[0].device_type, VATTN_DEVICE_CUDA);
  CudaStream stream;
  pool.WaitReady(stream);
  for (int32_t block = 0; block < pool.view.blocks; block += 37) {
    CHECK(pool.Holds(&stream, block, 0, 0));
  }
  pool.Grown(100);
  CHECK_EQ(pool.Stats().zeroed_bytes, 0u);  // fresh blocks are clean
}

TEST(BlocksOfAllLayersAreCopiedAndZeroedInFewCalls) {
  if (!OnCuda()) return;
  for (const int32_t layout : {VATTN_POOL_NHD, VATTN_POOL_PAGED_ATTENTION}) {
    Pool pool(Options(layout, 64 * kMiB));
    CudaStream stream;
    pool.Attach(stream);
    pool.WaitReady(stream);
    const vattn_sequence a = pool.Grown(40);
    const std::vector<int32_t> table = pool.Table(a);
    for (uint32_t i = 0; i < 3; ++i) pool.Write(&stream, table[i], i + 1);

    const vattn_sequence b = pool.Fork(a, 37);
    CHECK_EQ(pool.Step(b, 40).driver_calls, layout == VATTN_POOL_NHD ? 1 : 2);
    pool.WaitReady(stream);
    const std::vector<int32_t> forked = pool.Table(b);
    CHECK_EQ(forked[1], table[1]);
    CHECK(pool.Holds(&stream, forked[2], 3, 5));
    CHECK(pool.Holds(&stream, table[2], 3, 16));

    // The last user of a partial block takes it over: what was behind is gone.
    const vattn_sequence c = pool.Fork(a, 35);
    pool.Free(a);
    pool.Step(c, 36);
    pool.WaitReady(stream);
    CHECK_EQ(pool.Table(c).at(2), int32_t{table[2]});
    CHECK(pool.Holds(&stream, table[2], 3, 3));

    // Recycled ones are cleared, neighbours together.
    pool.Free(b);
    pool.Free(c);
    const vattn_sequence d = pool.Grown(32 * 16);
    CHECK_LE(pool.Stats().steps_mapped_sync, 3u);
    pool.WaitReady(stream);
    for (const int32_t block : pool.Table(d)) CHECK(pool.Holds(&stream, block, 0, 0));
    pool.Must(vattn_paged_check(pool.cache(), pool.error()));
    pool.Must(pool.api().detach_stream(pool.cache(), stream.get(), pool.error()));
  }
}

TEST(CopiesComeAfterWhatStreamsStillWrite) {
  if (!OnCuda()) return;
  Pool pool(Options(VATTN_POOL_NHD, 64 * kMiB));
  HeldStream user;
  CudaStream other;
  pool.Attach(user);
  pool.Attach(other);
  const vattn_sequence dirty = pool.Grown(16);
  pool.WaitReady(user);
  FillLater(&user, pool, pool.Table(dirty)[0], 0x7f7f7f7f);
  user.Synchronize();
  pool.Free(dirty);
  // So that the block just freed is the next one: all others are taken.
  const vattn_sequence rest = pool.Grown(31 * 16 - 32);
  const vattn_sequence a = pool.Grown(20);
  pool.WaitReady(user);
  user.Hold();
  FillLater(&user, pool, pool.Table(a)[1], 0x3f803f80);
  vattn_fence* written = nullptr;
  pool.Must(pool.api().record_fence(pool.cache(), user.get(), &written, pool.error()));
  const vattn_sequence b = pool.Fork(a, 20);
  CHECK_EQ(pool.Step(b, 21).outcome, VATTN_STEP_OK);
  // The step did not wait for the stream; its copy does, and so does whoever reads, on any stream.
  CHECK_EQ(pool.api().fence_done(written), 0);
  pool.api().fence_release(written);
  pool.WaitReady(other);
  user.OpenLater();
  std::vector<uint16_t> rows(8 * 128 * 16);
  other.Read(rows.data(),
             reinterpret_cast<void*>(pool.BlockAt(kLayers - 1, true, pool.Table(b)[1])),
             rows.size() * 2);
  for (size_t i = 0; i < rows.size(); ++i) {
    CHECK_EQ(int{rows[i]}, pool.TokenOf(true, i) < 4 ? 0x3f80 : 0);
  }
  user.Synchronize();
  pool.Free(rest);
  pool.Must(pool.api().detach_stream(pool.cache(), user.get(), pool.error()));
  pool.Must(pool.api().detach_stream(pool.cache(), other.get(), pool.error()));
}

TEST(BlocksWaitForTheStreamsThatMayReadThem) {
  if (!OnCuda()) return;
  Pool pool(Options(VATTN_POOL_PAGED_ATTENTION, 64 * kMiB));
  HeldStream user;
  pool.Attach(user);
  const vattn_sequence a = pool.Grown(32 * 16);
  pool.WaitReady(user);
  user.Hold();
  pool.Free(a);
  CHECK_EQ(pool.Stats().condemned_bytes, 64 * kMiB);
  const vattn_sequence b = pool.Allocate();
  const vattn_step_result refused = pool.Step(b, 17);
  CHECK_EQ(refused.outcome, VATTN_STEP_OUT_OF_MEMORY);
  CHECK_EQ(refused.pending_bytes, 64 * kMiB);
  CHECK_EQ(vattn_paged_close(pool.cache(), pool.error()), VATTN_BUSY);
  user.Open();
  user.Synchronize();
  CHECK_EQ(pool.Step(b, 17).outcome, VATTN_STEP_OK);
  CHECK_EQ(pool.Stats().condemned_bytes, 0u);
  pool.Must(pool.api().detach_stream(pool.cache(), user.get(), pool.error()));
}

TEST(APoolLargerThanTheDeviceIsATypedError) {
  if (!OnCuda()) return;
  auto watch = MakeCudaDriver();
  const uint64_t before = watch->AvailableBytes();
  // More than there is; and as much as there seems to be, while somebody else takes some of it.
  vattn_error error = {};
  error.size = sizeof(error);
  vattn_cache_ref ref = {};
  ref.size = sizeof(ref);
  vattn_paged_options options = Options(VATTN_POOL_NHD, watch->limits().memory_bytes * 2);
  CHECK_EQ(vattn_paged_create(&options, &ref, &error), VATTN_OUT_OF_MEMORY);
  CHECK(std::string(error.message).find("are available") != std::string::npos);
  options.limit_bytes = before - 64 * kMiB;
  const vattn_status status = vattn_paged_create(&options, &ref, &error);
  if (status == VATTN_OK) {
    ref.api->release(ref.cache);
  } else {
    CHECK_EQ(status, VATTN_OUT_OF_MEMORY);
    CHECK(ref.cache == nullptr);
  }
  CHECK_GT(watch->AvailableBytes() + 64 * kMiB, before);
  Pool pool(Options(VATTN_POOL_NHD, 64 * kMiB));
  pool.Grown(100);
}

TEST(AHundredPoolsLeaveNothingBehind) {
  if (!OnCuda()) return;
  auto watch = MakeCudaDriver();
  uint64_t before = 0;
  for (int i = 0; i < 100; ++i) {
    {
      Pool pool(Options(i % 2, 298 * kMiB));
      const vattn_sequence a = pool.Grown(100);
      pool.Free(a);
      pool.Grown(200);
      if (i % 4 < 2) pool.Must(vattn_paged_close(pool.cache(), pool.error()));
    }
    if (i == 10) before = watch->AvailableBytes();
  }
  CHECK_GT(watch->AvailableBytes() + 8 * kMiB, before);
}

}  // namespace
}  // namespace vattention::testing

TEST_MAIN()
