// Making and ending caches, layouts and views, and that everything comes back: mappings, files,
// memory.
#include <dirent.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "memory/host_driver.h"
#include "memory/sequence_handle.h"
#include "tests/check.h"
#include "tests/memory_cache.h"

namespace vattention::testing {
namespace {

constexpr uint64_t kPage = 64 * kKiB;

size_t OpenFiles() {
  size_t count = 0;
  DIR* folder = opendir("/proc/self/fd");
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

// Mappings of caches: their files and their reservations. Allocators come and go with theirs.
size_t CacheMappings() {
  std::ifstream maps("/proc/self/maps");
  size_t count = 0;
  for (std::string line; std::getline(maps, line);) {
    const bool file = line.find("vattention-kv-cache") != std::string::npos;
#if defined(__SANITIZE_ADDRESS__) || defined(VATTN_THREAD_SANITIZER)
    const bool inaccessible = false;  // the sanitizers' own look the same
#else
    const bool inaccessible = line.find(" ---p ") != std::string::npos;
#endif
    const uintptr_t start = std::stoull(line, nullptr, 16);
    const uintptr_t end = std::stoull(line.substr(line.find('-') + 1), nullptr, 16);
    if (file || (inaccessible && end - start > 512 * kMiB && end - start < (uint64_t{1} << 40))) {
      ++count;
    }
  }
  return count;
}

uint64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t size = 0;
  uint64_t resident = 0;
  file >> size >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

void UseOnce(bool mapper) {
  OptionsInit init;
  init.max_length = 1 << 17;
  init.layout = VATTN_LAYOUT_SPLIT;
  vattn_contiguous_options options = MakeOptions(init);
  options.map_ahead = mapper ? 1 : 0;
  Cache cache(options);
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 500);
  cache.Write(a, 0, 500, 1);
  const vattn_sequence b = cache.Fork(a, 300);
  cache.Grow(b, 400);
  cache.Free(a);
  if (mapper) cache.Close();
}

TEST(TwoHundredCyclesLeaveNothingBehind) {
  for (int i = 0; i < 20; ++i) UseOnce(i % 2 == 0);
  const size_t files = OpenFiles();
  const size_t mappings = CacheMappings();
  const uint64_t resident = ResidentBytes();
  for (int i = 20; i < 200; ++i) {
    UseOnce(i % 2 == 0);
    vattn_fault_plan plan = NoFaults();
    plan.fail_call = 1;
    vattn_contiguous_options options = MakeOptions();
    options.faults = &plan;
    vattn_cache_ref ref{};
    ref.size = sizeof(ref);
    CHECK_EQ(vattn_contiguous_create(&options, &ref, nullptr), VATTN_OUT_OF_MEMORY);
  }
  CHECK_EQ(OpenFiles(), files);
  CHECK_EQ(CacheMappings(), mappings);
#if !defined(VATTN_THREAD_SANITIZER) && !defined(__SANITIZE_ADDRESS__)  // they keep freed memory
  CHECK_LT(ResidentBytes(), resident + 8 * kMiB);
#else
  CHECK_GT(resident, 0u);
#endif
}

TEST(MemoryReallyGoesBackToTheSystem) {
  DriverStatus status;
  auto driver = HostDriver::Make(nullptr, &status);
  CHECK(status.ok());
  std::vector<PageHandle> pages;
  CHECK(driver->Create(kPage, 10, kNoPage, &pages).ok());
  CHECK_EQ(driver->CommittedBytes(), 10 * kPage);
  for (size_t i = 1; i < pages.size(); ++i) CHECK_EQ(pages[i], pages[i - 1] + kPage);
  std::vector<PageHandle> next;
  CHECK(driver->Create(kPage, 2, pages.back(), &next).ok());
  CHECK_EQ(next.front(), pages.back() + kPage);  // follows, so that mappings merge
  for (const PageHandle page : pages) CHECK(driver->Release(page, kPage).ok());
  CHECK_EQ(driver->CommittedBytes(), 2 * kPage);
  uintptr_t address = 0;
  CHECK(driver->Reserve(16 * kMiB, &address).ok());
  CHECK_EQ(address % (2 * kMiB), 0u);
  const PagePiece piece{next.front(), kPage};
  CHECK(driver->Map(address, {&piece, 1}, false).ok());
  CHECK(driver->Map(address + kMiB, {&piece, 1}, true).ok());
  *reinterpret_cast<int*>(address) = 42;
  CHECK_EQ(*reinterpret_cast<int*>(address + kMiB), 42);
  CHECK(driver->Copy(address + kPage / 2, address, 4).ok());
  CHECK_EQ(*reinterpret_cast<int*>(address + kMiB + kPage / 2), 42);
  CHECK(driver->Zero(address, kPage).ok());
  CHECK_EQ(*reinterpret_cast<int*>(address + kMiB), 0);
  CHECK(driver->Unmap(address, kPage).ok());
  CHECK(driver->Split(next.front(), kPage, kPage).ok());
  CHECK(driver->FreeReservation(address, 16 * kMiB).ok());
}

TEST(ReferencesKeepTheAddressRange) {
  const vattn_contiguous_options options = MakeOptions();
  vattn_cache_ref ref{};
  ref.size = sizeof(ref);
  CHECK_EQ(vattn_contiguous_create(&options, &ref, nullptr), VATTN_OK);
  CHECK_EQ(ref.api, vattn_contiguous_api());
  CHECK_EQ(std::string(ref.api->name), "contiguous");
  CHECK_EQ(ref.api->abi_version, VATTN_ABI_VERSION);
  ref.api->retain(ref.cache);
  CHECK_EQ(vattn_contiguous_close(ref.cache, nullptr), VATTN_OK);
  ref.api->release(ref.cache);
  vattn_sequence sequence = 0;
  CHECK_EQ(ref.api->allocate(ref.cache, &sequence, nullptr), VATTN_DISPOSED);
  ref.api->release(ref.cache);
}

TEST(ViewsDescribeEveryLayout) {
  for (const int32_t layout :
       {VATTN_LAYOUT_INTERLEAVED, VATTN_LAYOUT_LAYER_GROUP, VATTN_LAYOUT_SPLIT}) {
    OptionsInit init;
    init.layers = 5;
    init.kv_heads = 3;
    init.head_dim = 96;
    init.value_head_dim = 64;
    init.dtype = VATTN_FLOAT32;
    init.layout = layout;
    vattn_contiguous_options options = MakeOptions(init);
    options.layer_group = 2;
    options.tail_rows = 16;
    vattn_geometry geometry{};
    geometry.size = sizeof(geometry);
    CHECK_EQ(vattn_contiguous_geometry(&options, &geometry, nullptr), VATTN_OK);
    CHECK_EQ(geometry.bytes_per_token, 5u * 3 * (96 + 64) * 4);
    CHECK_EQ(geometry.tensors, layout == VATTN_LAYOUT_INTERLEAVED   ? 1
                               : layout == VATTN_LAYOUT_LAYER_GROUP ? 3
                                                                    : 10);
    CHECK_EQ(geometry.waste_bound_bytes, static_cast<uint64_t>(geometry.tensors) * kPage);
    for (const uint64_t row : geometry.row_bytes) CHECK_EQ(geometry.slot_bytes % row, 0u);
    CHECK_EQ(geometry.slot_bytes % (2 * kMiB), 0u);
    Cache cache(options);
    const vattn_cache_view& view = cache.view();
    CHECK_EQ(view.kind, static_cast<int32_t>(VATTN_CONTIGUOUS));
    CHECK_EQ(view.tail_rows, 16);
    for (int32_t layer = 0; layer < 5; ++layer) {
      for (const vattn_tensor* tensor : {&view.key[layer], &view.value[layer]}) {
        CHECK_EQ(tensor->rank, 4);
        CHECK_EQ(tensor->shape[0], 8);
        CHECK_EQ(tensor->shape[1], 4096);
        CHECK_EQ(tensor->shape[2], 3);
        CHECK_EQ(tensor->stride[3], 1);
        CHECK_EQ(tensor->stride[0] * 4, static_cast<int64_t>(geometry.slot_bytes));
      }
      CHECK_EQ(view.key[layer].shape[3], 96);
      CHECK_EQ(view.value[layer].shape[3], 64);
    }
    // Every byte belongs to one layer, side and token.
    const vattn_sequence a = cache.Allocate();
    cache.Grow(a, 300);
    uint8_t cookie = 0;
    for (int32_t layer = 0; layer < 5; ++layer) {
      for (const bool value : {false, true}) {
        ++cookie;
        for (uint32_t token = 0; token < 300; ++token) {
          std::memset(cache.Token(a, token, layer, value), cookie, cache.TokenBytes(value));
        }
      }
    }
    cookie = 0;
    for (int32_t layer = 0; layer < 5; ++layer) {
      for (const bool value : {false, true}) {
        ++cookie;
        for (uint32_t token = 0; token < 300; ++token) {
          const uint8_t* at = cache.Token(a, token, layer, value);
          CHECK_EQ(at[0], cookie);
          CHECK_EQ(at[cache.TokenBytes(value) - 1], cookie);
        }
      }
    }
    CHECK_EQ(cache.Stats().used_bytes, 300 * geometry.bytes_per_token);
    cache.Check();
  }
}

TEST(HandlesAreNeverReused) {
  OptionsInit init;
  init.max_sequences = 2;
  Cache cache(MakeOptions(init));
  const vattn_sequence a = cache.Allocate();
  const vattn_sequence b = cache.Allocate();
  vattn_sequence c = 0;
  CHECK_EQ(cache.api().allocate(cache.get(), &c, cache.Error()), VATTN_NO_SLOT);
  CHECK_EQ(cache.api().fork(cache.get(), a, 0, &c, cache.Error()), VATTN_NO_SLOT);
  cache.Free(a);
  CHECK_EQ(cache.api().free(cache.get(), a, nullptr, cache.Error()), VATTN_STALE_SEQUENCE);
  const vattn_sequence again = cache.Allocate();
  CHECK_NE(again, a);
  CHECK_NE(again, b);

  // 24 bits of index leave 8 bits of generation: 255 lives, then the index is retired.
  SequenceHandles handles(SequenceHandles::kMaxSequences);
  CHECK_EQ(handles.bits(), 24u);
  SequenceHandles two(1);
  CHECK_EQ(two.bits(), 1u);
  const auto first = two.Allocate();
  CHECK(first.has_value());
  CHECK_NE(*first, 0u);
  CHECK_EQ(two.Find(*first), 0u);
  CHECK(!two.Allocate().has_value());
  two.Free(0);
  CHECK_EQ(two.Find(*first), SequenceHandles::kNoIndex);
  CHECK_EQ(two.Find(0), SequenceHandles::kNoIndex);
}

TEST(BadOptionsAreNamed) {
  struct Case {
    const char* word;
    void (*spoil)(vattn_contiguous_options*);
  };
  const Case cases[] = {
      {"layers", [](vattn_contiguous_options* o) { o->shape.layers = 0; }},
      {"kv_heads", [](vattn_contiguous_options* o) { o->shape.kv_heads = -1; }},
      {"dtype", [](vattn_contiguous_options* o) { o->shape.dtype = VATTN_INT32; }},
      {"max_length", [](vattn_contiguous_options* o) { o->shape.max_length = int64_t{1} << 40; }},
      {"max_sequences", [](vattn_contiguous_options* o) { o->shape.max_sequences = 1 << 30; }},
      {"layout", [](vattn_contiguous_options* o) { o->layout = 7; }},
      {"layer_group",
       [](vattn_contiguous_options* o) {
         o->layout = VATTN_LAYOUT_LAYER_GROUP;
         o->layer_group = 3;
       }},
      {"multiples",
       [](vattn_contiguous_options* o) {
         o->page_classes = 1;
         o->page_bytes[0] = 4096;
       }},
      {"ascending",
       [](vattn_contiguous_options* o) {
         o->page_classes = 2;
         o->page_bytes[0] = o->page_bytes[1] = 64 * kKiB;
       }},
      {"limit_bytes", [](vattn_contiguous_options* o) { o->limit_bytes = 1; }},
      {"tail_rows", [](vattn_contiguous_options* o) { o->tail_rows = -1; }},
      {"zero", [](vattn_contiguous_options* o) { o->zero = 5; }},
      {"address space",
       [](vattn_contiguous_options* o) {
         o->shape.max_sequences = 1 << 20;
         o->shape.max_length = 1 << 30;
       }},
  };
  for (const Case& c : cases) {
    vattn_contiguous_options options = MakeOptions();
    c.spoil(&options);
    vattn_cache_ref ref{};
    ref.size = sizeof(ref);
    vattn_error error{};
    error.size = sizeof(error);
    CHECK_EQ(vattn_contiguous_create(&options, &ref, &error), VATTN_INVALID_ARGUMENT);
    CHECK(ref.cache == nullptr);
    if (std::string(error.message).find(c.word) == std::string::npos) {
      Fail(__FILE__, __LINE__, std::string(c.word) + " is not in: " + error.message);
    }
  }
  vattn_contiguous_options options = MakeOptions();
  options.device_type = VATTN_DEVICE_CUDA;
  vattn_cache_ref ref{};
  ref.size = sizeof(ref);
  CHECK_EQ(vattn_contiguous_create(&options, &ref, nullptr), VATTN_UNSUPPORTED);
}

TEST(TheRevisionChangesWhenRowsMayHaveGoneAndNotBefore) {
  Cache cache(MakeOptions());
  const auto revision = [&] { return cache.api().revision(cache.get()); };
  const uint64_t first = revision();
  const vattn_sequence a = cache.Allocate();
  cache.Grow(a, 100);
  const vattn_sequence b = cache.Fork(a, 50);
  cache.Grow(b, 60);
  CHECK_EQ(revision(), first);
  std::vector<uint64_t> seen = {first};
  const auto changed = [&] {
    for (const uint64_t before : seen) CHECK(revision() != before);
    seen.push_back(revision());
  };
  cache.Truncate(a, 90);
  changed();
  cache.Slide(a, 10);
  changed();
  cache.Free(b);
  changed();
  CHECK_EQ(vattn_contiguous_close(cache.get(), cache.Error()), VATTN_OK);
  changed();
}

TEST(OlderCallersAreServed) {
  vattn_contiguous_options options = MakeOptions();
  options.size = offsetof(vattn_contiguous_options, tail_rows);  // knew nothing of what follows
  options.tail_rows = -1;
  vattn_cache_ref ref{};
  ref.size = sizeof(ref);
  CHECK_EQ(vattn_contiguous_create(&options, &ref, nullptr), VATTN_OK);
  struct {
    vattn_cache_stats stats;
  } small;
  std::memset(&small, 0xAB, sizeof(small));
  small.stats.size = offsetof(vattn_cache_stats, total_bytes);
  CHECK_EQ(ref.api->stats(ref.cache, &small.stats, nullptr), VATTN_OK);
  CHECK_EQ(small.stats.limit_bytes, 64 * kMiB);
  CHECK_EQ(small.stats.total_bytes, 0xABABABABABABABABu);
  ref.api->release(ref.cache);
}

}  // namespace
}  // namespace vattention::testing

TEST_MAIN()
