// The CUDA driver. On a machine without a GPU: that it says so. With one and
// VATTENTION_TEST_DEVICE=cuda: pages, mappings, streams and caches on the first device. The fuzz
// test (memory_fuzz_test) runs there too.
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "memory/cuda_driver.h"
#include "tests/check.h"
#include "tests/held_stream.h"
#include "tests/memory_cache.h"

namespace vattention::testing {
namespace {

constexpr uint64_t kPage = 2 * kMiB;

std::unique_ptr<CudaDriver> MakeCudaDriver() {
  DriverStatus status;
  std::string why;
  std::unique_ptr<CudaDriver> driver = CudaDriver::Make(0, &status, &why);
  if (driver == nullptr) Fail(__FILE__, __LINE__, why);
  return driver;
}

void Ok(const DriverStatus& status) {
  if (status.ok()) return;
  Fail(__FILE__, __LINE__, std::string(status.call) + ": " + std::to_string(status.code));
}

// A device's bytes, read and written behind everything that was asked of `driver` so far.
class Bytes {
 public:
  explicit Bytes(CudaDriver* driver) : driver_(driver) {}
  void Fill(uintptr_t at, uint8_t value, size_t bytes) {
    const std::vector<uint8_t> data(bytes, value);
    Ok(driver_->MakeStreamWait(stream_.get()));
    stream_.Write(reinterpret_cast<void*>(at), data.data(), bytes);
  }
  bool Are(uintptr_t at, uint8_t value, size_t bytes) {
    std::vector<uint8_t> data(bytes);
    Ok(driver_->MakeStreamWait(stream_.get()));
    stream_.Read(data.data(), reinterpret_cast<void*>(at), bytes);
    return std::all_of(data.begin(), data.end(), [&](uint8_t b) { return b == value; });
  }
  CudaStream& stream() { return stream_; }

 private:
  CudaDriver* const driver_;
  CudaStream stream_;
};

// Llama-3-8B: a page of 2 MiB holds 16 tokens.
vattn_contiguous_options CudaOptions(int32_t layout = VATTN_LAYOUT_INTERLEAVED) {
  OptionsInit init;
  init.layers = 32;
  init.kv_heads = 8;
  init.head_dim = init.value_head_dim = 128;
  init.max_length = 4096;
  init.limit_bytes = 4096 * kMiB;
  init.layout = layout;
  return MakeOptions(init);
}

vattn_error MakeError() {
  vattn_error error{};
  error.size = sizeof(error);
  return error;
}

TEST(WithoutTheDeviceCreatingSaysWhy) {
  vattn_contiguous_options options = CudaOptions();
  options.device_type = VATTN_DEVICE_CUDA;
  options.device_index = 1000;
  vattn_cache_ref ref{sizeof(ref), nullptr, nullptr};
  vattn_error error = MakeError();
  CHECK_EQ(vattn_contiguous_create(&options, &ref, &error), VATTN_UNSUPPORTED);
  CHECK(ref.cache == nullptr);
  const std::string message = error.message;
  const char* reason = OnCuda() ? "There is no CUDA device 1000" : "CUDA";
  CHECK(message.find(reason) != std::string::npos || message.find("libcuda") != std::string::npos);
}

TEST(GeometryNeedsNoGpu) {
  vattn_contiguous_options options = CudaOptions();
  options.device_type = VATTN_DEVICE_CUDA;
  vattn_geometry geometry{};
  geometry.size = sizeof(geometry);
  vattn_error error = MakeError();
  CHECK_EQ(vattn_contiguous_geometry(&options, &geometry, &error), VATTN_OK);
  CHECK_EQ(geometry.smallest_page_bytes, kPage);
  CHECK_EQ(geometry.bytes_per_token, 131072u);
  CHECK_EQ(geometry.waste_bound_bytes, kPage);
}

TEST(PagesAreMappedAliasedAndUnmapped) {
  if (!OnCuda()) return;
  auto driver = MakeCudaDriver();
  CHECK_EQ(driver->limits().page_classes.front(), kPage);
  CHECK_EQ(driver->limits().granularity, kPage);
  Bytes bytes(driver.get());
  uintptr_t base = 0;
  Ok(driver->Reserve(uint64_t{1} << 40, &base));
  CHECK_EQ(base % (128 * kMiB), 0u);
  std::vector<PageHandle> pages;
  Ok(driver->Create(kPage, 2, kNoPage, &pages));
  Ok(driver->Create(4 * kPage, 1, kNoPage, &pages));
  CHECK_EQ((std::set<PageHandle>(pages.begin(), pages.end()).size()), 3u);
  const PagePiece pieces[] = {{pages[0], kPage}, {pages[2], 4 * kPage}, {pages[1], kPage}};
  Ok(driver->Map(base, pieces, false));
  Ok(driver->Zero(base, 6 * kPage));
  CHECK(bytes.Are(base, 0, 6 * kPage));
  bytes.Fill(base + kPage - 100, 7, 200);

  // The same page elsewhere, read-only: its bytes are the same.
  const PagePiece alias[] = {{pages[0], kPage}};
  const uintptr_t elsewhere = base + (uint64_t{1} << 39);
  Ok(driver->Map(elsewhere, alias, true));
  CHECK(bytes.Are(elsewhere + kPage - 100, 7, 100));
  bytes.Fill(base, 9, 64);
  CHECK(bytes.Are(elsewhere, 9, 64));

  Ok(driver->Copy(base + 5 * kPage, base + kPage - 100, 200));
  CHECK(bytes.Are(base + 5 * kPage, 7, 200));
  Ok(driver->ZeroRows(base + kPage - 100, 10, 20, 3));
  CHECK(bytes.Are(base + kPage - 100, 0, 10));
  CHECK(bytes.Are(base + kPage - 90, 7, 10));
  CHECK(bytes.Are(base + kPage - 60, 0, 10));
  Ok(driver->CopyRows(base + 3 * kPage, base + kPage - 100, 10, 20, 3));
  CHECK(bytes.Are(base + 3 * kPage, 0, 10));
  Ok(driver->Zero(base + 1, 3));  // nothing is aligned
  CHECK(bytes.Are(base + 1, 0, 3));
  CHECK(bytes.Are(base + 4, 9, 60));

  // Mapping over a mapping fails and changes nothing; a range with holes is unmapped in one call.
  CHECK(!driver->Map(base, alias, false).ok());
  CHECK(bytes.Are(base + 4, 9, 60));
  Ok(driver->Unmap(base + kPage, 4 * kPage));
  Ok(driver->Unmap(base, 6 * kPage));
  CHECK(bytes.Are(elsewhere + 4, 9, 60));
  Ok(driver->Unmap(elsewhere, kPage));
  Ok(driver->Release(pages[0], kPage));
  Ok(driver->FreeReservation(base, uint64_t{1} << 40));
  CHECK(!driver->FreeReservation(base, uint64_t{1} << 40).ok());
}

TEST(MemoryRunsOutWithAnErrorAndComesBack) {
  if (!OnCuda()) return;
  auto driver = MakeCudaDriver();
  constexpr uint64_t kLarge = 128 * kMiB;
  const uint64_t before = driver->AvailableBytes();
  std::vector<PageHandle> pages;
  DriverStatus status;
  while (status.ok()) status = driver->Create(kLarge, 4, kNoPage, &pages);
  CHECK_EQ(status.status, VATTN_OUT_OF_MEMORY);
  CHECK_EQ(std::string(status.call), "cuMemCreate");
  CHECK_EQ(pages.size() % 4, 0u);  // all or none
  CHECK_GT(pages.size() * kLarge, before / 10 * 8);
  Ok(driver->Release(pages.back(), kLarge));
  pages.pop_back();
  Ok(driver->Create(kLarge, 1, kNoPage, &pages));
  driver.reset();  // gives back what nobody released
  CHECK_GT(MakeCudaDriver()->AvailableBytes() + 512 * kMiB, before);
}

TEST(CachesGrowParkAndAdopt) {
  if (!OnCuda()) return;
  for (const int32_t layout : {VATTN_LAYOUT_INTERLEAVED, VATTN_LAYOUT_SPLIT}) {
    Cache cache(CudaOptions(layout));
    const uint32_t tokens = layout == VATTN_LAYOUT_SPLIT ? 1024 : 40;
    const vattn_sequence a = cache.Allocate();
    const vattn_step_result grown = cache.Grow(a, tokens);
    CHECK_GT(grown.driver_calls, 0);
    CHECK(cache.Holds(a, 0, 40, 0));
    cache.Write(a, 0, 40, 5);
    CHECK_EQ(cache.Grow(a, tokens).driver_calls, 0);
    cache.Free(a);
    const vattn_sequence b = cache.Allocate();
    cache.Grow(b, 20);
    CHECK_EQ(cache.Stats().adoptions, 1u);
    CHECK(cache.Holds(b, 0, 20, 0));  // the former sequence's rows are gone
    cache.Check();
  }
}

TEST(ForksShareAndWriteToTheirOwn) {
  if (!OnCuda()) return;
  Cache cache(CudaOptions());
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 40);
  cache.Write(a, 0, 40, 5);
  const vattn_sequence b = cache.Fork(a, 40);
  cache.Grow(b, 41);
  CHECK(cache.Holds(b, 0, 40, 5));
  cache.Write(b, 40, 41, 6);
  cache.Grow(a, 41);
  CHECK(cache.Holds(a, 40, 41, 0));
  CHECK_LT(cache.Stats().mapped_bytes, 8 * kPage);
  cache.Free(a);
  CHECK(cache.Holds(b, 0, 40, 5));
  cache.Check();
}

TEST(PagesWaitForTheStreamsThatMayReadThem) {
  if (!OnCuda()) return;
  HeldStream user;
  Cache cache(CudaOptions());
  cache.Must(cache.api().attach_stream(cache.get(), user.get(), cache.Error()), "attach");
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 200);
  user.Hold();
  cache.Slide(a, 100);
  cache.Trim(0);
  CHECK_EQ(cache.Stats().condemned_bytes, 6 * kPage);  // of 16 tokens each
  CHECK_EQ(vattn_contiguous_close(cache.get(), cache.Error()), VATTN_BUSY);
  user.Open();
  user.Synchronize();
  cache.Grow(a, 201);
  cache.Trim(0);
  CHECK_EQ(cache.Stats().condemned_bytes, 0u);
  cache.Check();
  cache.Must(cache.api().detach_stream(cache.get(), user.get(), cache.Error()), "detach");
}

TEST(DecodingWithTheMapperCallsNoDriver) {
  if (!OnCuda()) return;
  vattn_contiguous_options options = CudaOptions();
  options.map_ahead = 1;
  Cache cache(options);
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 100);
  for (uint32_t length = 101; length < 1000; ++length) {
    cache.Drain();  // stands for the time that a forward pass takes
    CHECK_EQ(cache.Grow(a, length).driver_calls, 0);
  }
  CHECK(cache.Holds(a, 990, 999, 0));
  cache.Check();
}

TEST(TwoHundredCachesLeaveNothingBehind) {
  if (!OnCuda()) return;
  auto watch = MakeCudaDriver();
  uint64_t before = 0;
  for (int i = 0; i < 200; ++i) {
    {
      Cache cache(CudaOptions(i % 3));
      const vattn_sequence a = cache.Allocate();
      cache.Grow(a, 100);
      if (i % 2 == 0) cache.Close();
    }
    if (i == 20) before = watch->AvailableBytes();
  }
  CHECK_GT(watch->AvailableBytes() + 8 * kMiB, before);
}

}  // namespace
}  // namespace vattention::testing

TEST_MAIN()
