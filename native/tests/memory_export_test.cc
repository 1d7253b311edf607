// Pages for other processes: what they see, what stays theirs, and what is refused.
#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "memory/fence.h"
#include "tests/check.h"
#include "tests/memory_cache.h"
#include "tests/memory_export_peer.h"

namespace vattention::testing {
namespace {

uint64_t PageBytes() { return OnCuda() ? 2 * kMiB : 64 * kKiB; }
uint32_t PageTokens() { return static_cast<uint32_t>(PageBytes() / kKiB); }  // 1 KiB per token

// Room for several pages of tokens on any device.
vattn_contiguous_options ExportOptions(int32_t layout = VATTN_LAYOUT_INTERLEAVED) {
  OptionsInit init;
  init.layout = layout;
  init.max_length = 8 * PageTokens();
  init.limit_bytes = 256 * PageBytes();
  vattn_contiguous_options options = MakeOptions(init);
  options.page_classes = 1;
  options.page_bytes[0] = PageBytes();
  return options;
}

// Owns an export. `TryMake` fails without one.
class Export {
 public:
  Export(Cache* cache, const std::vector<vattn_sequence>& sequences,
         const std::vector<uint32_t>& lengths = {}, bool writable = false) {
    cache->Must(TryMake(cache, sequences, lengths, writable), "export");
  }
  Export() = default;
  ~Export() { Release(); }
  Export(const Export&) = delete;
  Export& operator=(const Export&) = delete;

  vattn_status TryMake(Cache* cache, const std::vector<vattn_sequence>& sequences,
                       const std::vector<uint32_t>& lengths = {}, bool writable = false,
                       vattn_fence** ready = nullptr) {
    return vattn_export_pages(
        cache->get(), sequences.data(), lengths.empty() ? nullptr : lengths.data(),
        static_cast<int32_t>(sequences.size()), writable ? 1 : 0, &pages_, ready, cache->Error());
  }
  void Release() {
    if (pages_ != nullptr) vattn_export_release(pages_);
    pages_ = nullptr;
  }
  bool made() const { return pages_ != nullptr; }
  const vattn_page_manifest& manifest() const { return *vattn_export_manifest(pages_); }
  const int32_t* files() const { return vattn_export_files(pages_); }

 private:
  vattn_page_export* pages_ = nullptr;
};

// A manifest that a test may change.
struct Manifest {
  explicit Manifest(const vattn_page_manifest& from)
      : head(from),
        lengths(from.length, from.length + from.sequences),
        pages(from.page, from.page + from.pages),
        keys(from.key, from.key + from.layers),
        values(from.value, from.value + from.layers) {
    head.length = lengths.data();
    head.page = pages.data();
    head.key = keys.data();
    head.value = values.data();
  }
  Manifest(const Manifest&) = delete;
  Manifest& operator=(const Manifest&) = delete;

  vattn_page_manifest head;
  std::vector<uint32_t> lengths;
  std::vector<vattn_exported_page> pages;
  std::vector<vattn_exported_tensor> keys;
  std::vector<vattn_exported_tensor> values;
};

// Owns an import into this process.
class Import {
 public:
  vattn_status TryMake(const vattn_page_manifest& manifest, const int32_t* files,
                       bool writable = false) {
    error_.size = sizeof(error_);
    return vattn_import_pages(&manifest, files, writable ? 1 : 0, &pages_, &error_);
  }
  Import() = default;
  ~Import() {
    if (pages_ != nullptr) vattn_import_release(pages_);
  }
  Import(const Import&) = delete;
  Import& operator=(const Import&) = delete;

  bool made() const { return pages_ != nullptr; }
  const vattn_error& error() const { return error_; }
  vattn_cache_view View() {
    vattn_cache_view view{};
    view.size = sizeof(view);
    CHECK_EQ(vattn_import_view(pages_, &view, &error_), VATTN_OK);
    return view;
  }

 private:
  vattn_page_import* pages_ = nullptr;
  vattn_error error_{};
};

// Descriptors of this process.
int OpenFiles() {
  DIR* folder = opendir("/proc/self/fd");
  CHECK(folder != nullptr);
  int count = 0;
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

// A sequence of `length` tokens that hold `cookie`.
vattn_sequence Written(Cache* cache, uint32_t length, uint8_t cookie) {
  const vattn_sequence sequence = cache->Allocate();
  cache->Grow(sequence, length);
  cache->Write(sequence, 0, length, cookie);
  return sequence;
}

TEST(AnotherProcessSeesTheSameRowsInEveryLayout) {
  for (const int32_t layout :
       {VATTN_LAYOUT_INTERLEAVED, VATTN_LAYOUT_LAYER_GROUP, VATTN_LAYOUT_SPLIT}) {
    vattn_contiguous_options options = ExportOptions(layout);
    options.shape.value_head_dim = 32;
    Cache cache(options);
    const uint32_t page = PageTokens();
    const vattn_sequence a = Written(&cache, 5 * page + 3, 1);
    const vattn_sequence b = cache.Fork(a, 3 * page + 1);
    const vattn_sequence empty = cache.Allocate();
    cache.Grow(b, 4 * page);
    cache.Write(b, 3 * page + 1, 4 * page, 2);
    const Export pages(&cache, {b, empty, a});

    const vattn_page_manifest& manifest = pages.manifest();
    CHECK_EQ(manifest.version, VATTN_PAGE_MANIFEST_VERSION);
    CHECK_EQ(manifest.layout, layout);
    CHECK_EQ(manifest.writable, 0);
    CHECK_EQ(manifest.sequences, 3);
    CHECK_EQ(manifest.length[0], 4 * page);
    CHECK_EQ(manifest.length[1], 0u);
    CHECK_EQ(manifest.length[2], 5 * page + 3);
    CHECK_EQ(manifest.key[1].shape[3], 64);
    CHECK_EQ(manifest.value[1].shape[3], 32);
    if (layout == VATTN_LAYOUT_INTERLEAVED) {
      // What a and b share is listed for each, and is one page.
      std::set<std::pair<int32_t, uint64_t>> places;
      for (int32_t i = 0; i < manifest.pages; ++i) {
        places.emplace(manifest.page[i].file, manifest.page[i].file_offset);
      }
      const uint32_t row = 2 * (128 + 64) * 2;  // bytes of a token in all layers, K and V
      CHECK_EQ(manifest.pages - static_cast<int32_t>(places.size()),
               static_cast<int32_t>((3 * page + 1) * row / PageBytes()));
      CHECK_EQ(manifest.files, OnCuda() ? static_cast<int32_t>(places.size()) : 1);
    }

    ExportPeer peer(manifest, pages.files(), /*writable=*/false);
    CHECK_EQ(peer.message(), std::string());
    CHECK_EQ(peer.status(), VATTN_OK);
    CHECK(peer.Holds(0, 0, 3 * page + 1, 1));
    CHECK(peer.Holds(0, 3 * page + 1, 4 * page, 2));
    CHECK(peer.Holds(2, 0, 5 * page + 3, 1));
    CHECK(!peer.Holds(2, 0, 1, 2));
    cache.Check();
  }
}

TEST(LengthsLimitWhatIsExported) {
  Cache cache(ExportOptions());
  const uint32_t page = PageTokens();
  const vattn_sequence a = Written(&cache, 5 * page, 1);
  const Export pages(&cache, {a, a}, {page + 1, 0});
  CHECK_EQ(pages.manifest().pages, 2);
  CHECK_EQ(pages.manifest().length[0], page + 1);
  CHECK_EQ(pages.manifest().key[0].shape[1], int64_t{page} + 1);
  CHECK_EQ(pages.manifest().key[0].shape[0], 2);
  ExportPeer peer(pages.manifest(), pages.files(), /*writable=*/false);
  CHECK(peer.Holds(0, 0, page + 1, 1));
}

TEST(AnExportOutlivesItsSequenceAndTheCache) {
  Export pages;
  {
    Cache cache(ExportOptions());
    const uint32_t page = PageTokens();
    const vattn_sequence a = Written(&cache, 3 * page, 1);
    CHECK_EQ(pages.TryMake(&cache, {a}), VATTN_OK);
    ExportPeer early(pages.manifest(), pages.files(), /*writable=*/false);
    cache.Free(a);
    cache.Trim(0);
    CHECK_EQ(cache.Stats().retained_bytes, 3 * PageBytes());
    CHECK_EQ(cache.Stats().total_bytes, 3 * PageBytes());
    const vattn_sequence other = Written(&cache, 8 * page, 9);
    CHECK(early.Holds(0, 0, 3 * page, 1));
    cache.Check();
    CHECK(cache.Holds(other, 0, 8 * page, 9));
    cache.Close();
    CHECK(early.Holds(0, 0, 3 * page, 1));
  }
  ExportPeer late(pages.manifest(), pages.files(), /*writable=*/false);
  CHECK_EQ(late.status(), VATTN_OK);
  CHECK(late.Holds(0, 0, 3 * PageTokens(), 1));
  pages.Release();
  CHECK(late.Holds(0, 0, 3 * PageTokens(), OnCuda() ? 1 : 0));  // a file's pages are its owner's
}

TEST(MemoryComesBackWithTheExport) {
  Cache cache(ExportOptions(VATTN_LAYOUT_SPLIT));
  const vattn_sequence a = Written(&cache, 6 * PageTokens(), 1);
  Export first(&cache, {a});
  Export second(&cache, {a}, {PageTokens()});
  cache.Free(a);
  cache.Trim(0);
  const uint64_t held = cache.Stats().retained_bytes;
  CHECK_EQ(held, cache.Stats().total_bytes);
  CHECK_GT(held, 0u);
  first.Release();
  CHECK_LT(cache.Stats().retained_bytes, held);
  cache.Check();
  second.Release();
  CHECK_EQ(cache.Stats().retained_bytes, 0u);
  cache.Trim(0);
  CHECK_EQ(cache.Stats().total_bytes, 0u);
  cache.Check();
  cache.Close();
}

TEST(WhatIsExportedIsNotEvictable) {
  const uint32_t page = PageTokens();
  vattn_contiguous_options options = ExportOptions();
  options.limit_bytes = 6 * PageBytes();
  Cache cache(options);
  const vattn_sequence a = Written(&cache, 4 * page, 1);
  // One page of four is the prefix index's too, one was given up by it again.
  const vattn_span prefix = cache.Span(a, 0, page);
  const vattn_span gone = cache.Span(a, page, 2 * page);
  Export pages(&cache, {a});
  uint64_t exported = 0;
  cache.Must(vattn_exported_bytes(cache.get(), &exported, cache.Error()), "exported bytes");
  CHECK_EQ(exported, 0u);  // a holds them
  cache.Free(a);
  cache.ReleaseSpan(gone);
  cache.Must(vattn_exported_bytes(cache.get(), &exported, cache.Error()), "exported bytes");
  CHECK_EQ(cache.Stats().retained_bytes, 4 * PageBytes());
  CHECK_EQ(exported, 3 * PageBytes());
  const vattn_sequence b = cache.Allocate();
  vattn_step_result result = cache.Step({b}, {4 * page});
  CHECK_EQ(result.outcome, static_cast<int32_t>(VATTN_STEP_OUT_OF_MEMORY));
  CHECK_EQ(result.needed_bytes, 2 * PageBytes());
  CHECK_EQ(result.evictable_bytes, PageBytes());
  pages.Release();
  cache.ReleaseSpan(prefix);
  cache.Grow(b, 4 * page);
  cache.Check();
}

TEST(WhoRewritesExportedTokensWritesToACopy) {
  for (const int32_t layout : {VATTN_LAYOUT_INTERLEAVED, VATTN_LAYOUT_SPLIT}) {
    Cache cache(ExportOptions(layout));
    const uint32_t page = PageTokens();
    const vattn_sequence a = Written(&cache, 3 * page + 5, 1);
    const vattn_sequence b = cache.Fork(a, 3 * page + 5);
    const Export pages(&cache, {a});
    ExportPeer peer(pages.manifest(), pages.files(), /*writable=*/false);
    // Rows behind the exported ones are still the sequence's own, in the same page.
    cache.Grow(a, 3 * page + 50);
    CHECK(cache.Holds(a, 3 * page + 5, 3 * page + 50, 0));
    cache.Write(a, 3 * page + 5, 3 * page + 50, 2);
    cache.Truncate(a, page + 7);
    cache.Grow(a, 3 * page);
    cache.Write(a, page + 7, 3 * page, 9);
    cache.Grow(b, 3 * page + 9);
    cache.Write(b, 3 * page + 5, 3 * page + 9, 8);
    CHECK(peer.Holds(0, 0, 3 * page + 5, 1));
    CHECK(cache.Holds(a, 0, page + 7, 1));
    CHECK(cache.Holds(a, page + 7, 3 * page, 9));
    CHECK(cache.Holds(b, 0, 3 * page + 5, 1));
    // Nor does whoever comes next get the pages.
    cache.Free(a);
    cache.Free(b);
    const vattn_sequence c = cache.Allocate();
    cache.Grow(c, 8 * page);
    CHECK(cache.Holds(c, 0, 8 * page, 0));
    cache.Write(c, 0, 8 * page, 7);
    CHECK(peer.Holds(0, 0, 3 * page + 5, 1));
    cache.Check();
  }
}

TEST(AWritableImportIsSeenByTheOwner) {
  Cache cache(ExportOptions());
  const uint32_t page = PageTokens();
  const vattn_sequence a = Written(&cache, 2 * page, 1);
  const Export pages(&cache, {a}, {}, /*writable=*/true);
  CHECK_EQ(pages.manifest().writable, 1);
  {
    ExportPeer peer(pages.manifest(), pages.files(), /*writable=*/true);
    CHECK_EQ(peer.message(), std::string());
    peer.Write(0, page - 5, page + 5, 6);
    CHECK(peer.Holds(0, page - 5, page + 5, 6));
  }
  CHECK(cache.Holds(a, 0, page - 5, 1));
  CHECK(cache.Holds(a, page - 5, page + 5, 6));
  CHECK(cache.Holds(a, page + 5, 2 * page, 1));
}

TEST(WhatWasExportedToBeReadIsNotWritten) {
  Cache cache(ExportOptions());
  const vattn_sequence a = Written(&cache, PageTokens(), 1);
  const Export pages(&cache, {a});
  Import import;
  CHECK_EQ(import.TryMake(pages.manifest(), pages.files(), /*writable=*/true),
           VATTN_INVALID_ARGUMENT);
  CHECK(!import.made());
  if (OnCuda()) return;  // a GPU's handle knows no such right
  // The descriptor says no to whoever says otherwise.
  Manifest forged(pages.manifest());
  forged.head.writable = 1;
  ExportPeer peer(forged.head, pages.files(), /*writable=*/true);
  CHECK_EQ(peer.status(), VATTN_DEVICE_ERROR);
  CHECK_EQ(peer.driver_code(), EACCES);
  // And the mapping to whoever has mapped it to be read; the kernel tells without a signal.
  Import reader;
  CHECK_EQ(reader.TryMake(pages.manifest(), pages.files()), VATTN_OK);
  const int zeros = open("/dev/zero", O_RDONLY | O_CLOEXEC);
  errno = 0;
  CHECK_EQ(read(zeros, reader.View().key[0].data, 16), -1);
  CHECK_EQ(errno, EFAULT);
  close(zeros);
}

TEST(TheViewIsThatOfACacheWithTheseSequencesOnly) {
  Cache cache(ExportOptions());
  const vattn_sequence a = Written(&cache, 30, 1);
  const vattn_sequence b = Written(&cache, 20, 2);
  const Export pages(&cache, {b, a});
  Import import;
  CHECK_EQ(import.TryMake(pages.manifest(), pages.files()), VATTN_OK);
  const vattn_cache_view view = import.View();
  CHECK_EQ(view.kind, static_cast<int32_t>(VATTN_CONTIGUOUS));
  CHECK_EQ(view.shape.layers, 2);
  CHECK_EQ(view.shape.kv_heads, 2);
  CHECK_EQ(view.shape.head_dim, 64);
  CHECK_EQ(view.shape.value_head_dim, 64);
  CHECK_EQ(view.shape.max_sequences, 2);
  CHECK_EQ(view.shape.max_length, 30);
  CHECK_EQ(view.shape.dtype, static_cast<int32_t>(VATTN_FLOAT16));
  CHECK_EQ(view.tail_rows, 0);
  for (int32_t layer = 0; layer < 2; ++layer) {
    CHECK_EQ(view.key[layer].stride[1], cache.view().key[layer].stride[1]);
    CHECK_EQ(view.value[layer].stride[0], cache.view().value[layer].stride[0]);
    CHECK_EQ(view.key[layer].shape[0], 2);
  }
}

TEST(WhatCannotBeExportedIsATypedError) {
  const uint32_t page = PageTokens();
  Cache cache(ExportOptions());
  const vattn_sequence a = Written(&cache, 3 * page, 1);
  const vattn_sequence freed = Written(&cache, 10, 1);
  cache.Free(freed);
  const vattn_sequence slid = Written(&cache, 3 * page, 1);
  cache.Slide(slid, 2 * page + 1);
  const int files = OpenFiles();
  const vattn_cache_stats before = cache.Stats();
  const struct {
    std::vector<vattn_sequence> sequences;
    std::vector<uint32_t> lengths;
    vattn_status status;
  } refused[] = {
      {{}, {}, VATTN_INVALID_ARGUMENT},
      {{a, freed}, {}, VATTN_STALE_SEQUENCE},
      {{a, freed}, {page, 0}, VATTN_STALE_SEQUENCE},
      {{a, 0}, {}, VATTN_STALE_SEQUENCE},
      {{a, slid}, {}, VATTN_NOT_BACKED},
      {{a, slid}, {page, page}, VATTN_NOT_BACKED},
      {{a}, {3 * page + 1}, VATTN_NOT_BACKED},
  };
  for (const auto& [sequences, lengths, status] : refused) {
    Export pages;
    CHECK_EQ(pages.TryMake(&cache, sequences, lengths), status);
    CHECK(!pages.made());
    CHECK(cache.error().message[0] != '\0');
    CHECK_EQ(OpenFiles(), files);
    CHECK_EQ(cache.Stats().retained_bytes, before.retained_bytes);
  }
  cache.Check();
  cache.Free(a);
  cache.Free(slid);
  CHECK_EQ(cache.Stats().retained_bytes, 0u);
  cache.Close();
  Export pages;
  CHECK_EQ(pages.TryMake(&cache, {a}), VATTN_DISPOSED);
}

TEST(ContradictingManifestsAreRefused) {
  Cache cache(ExportOptions(VATTN_LAYOUT_SPLIT));
  const uint32_t page = PageTokens();
  const vattn_sequence a = Written(&cache, 5 * page, 1);
  const vattn_sequence b = Written(&cache, 2 * page, 1);
  const Export pages(&cache, {a, b});
  const struct {
    const char* expected;  // part of the message
    void (*change)(Manifest*);
  } wrong[] = {
      {"version", [](Manifest* m) { m->head.version = 2; }},
      {"no layers", [](Manifest* m) { m->head.layers = 0; }},
      {"no sequences", [](Manifest* m) { m->head.sequences = -1; }},
      {"no dtype", [](Manifest* m) { m->head.dtype = 77; }},
      {"arrays are missing", [](Manifest* m) { m->head.page = nullptr; }},
      {"arrays are missing", [](Manifest* m) { m->head.length = nullptr; }},
      {"ranges", [](Manifest* m) { m->head.sequence_bytes = 0; }},
      {"ranges", [](Manifest* m) { m->head.sequence_bytes += 4096; }},
      {"ranges", [](Manifest* m) { m->head.sequence_bytes = uint64_t{1} << 62; }},
      {"layer 0", [](Manifest* m) { m->head.sequences = 1; }},
      {"layer 1", [](Manifest* m) { m->values[1].offset = -1; }},
      {"layer 1", [](Manifest* m) { m->keys[1].offset = int64_t{1} << 50; }},
      {"layer 1", [](Manifest* m) { m->keys[1].stride[1] = int64_t{1} << 40; }},
      {"layer 1", [](Manifest* m) { m->keys[1].stride[2] = INT64_MAX; }},
      {"layer 0", [](Manifest* m) { m->keys[0].stride[0] = -64; }},
      {"layer 0",
       [](Manifest* m) {
         m->keys[0].shape[1] = 0;
         m->keys[0].shape[2] = -2;
       }},
      {"different shapes", [](Manifest* m) { m->keys[1].shape[2] = 1; }},
      {"different shapes", [](Manifest* m) { m->values[1].shape[3] = 32; }},
      {"longer than", [](Manifest* m) { m->lengths[1] = 1u << 20; }},
      {"page 1", [](Manifest* m) { m->pages[1].sequence = 2; }},
      {"page 1", [](Manifest* m) { m->pages[1].sequence = -1; }},
      {"page 1", [](Manifest* m) { m->pages[1].file = m->head.files; }},
      {"page 0", [](Manifest* m) { m->pages[0].bytes = 0; }},
      {"page 0", [](Manifest* m) { m->pages[0].bytes += 512; }},
      {"page 0", [](Manifest* m) { m->pages[0].offset += 512; }},
      {"page 0", [](Manifest* m) { m->pages[0].file_offset += 512; }},
      {"outside", [](Manifest* m) { m->pages[0].offset = m->head.sequence_bytes; }},
      {"outside",
       [](Manifest* m) { m->pages[0].bytes = ~uint64_t{0} / PageBytes() * PageBytes(); }},
      {"overlap", [](Manifest* m) { m->pages[1].offset = m->pages[0].offset; }},
      {"have no pages", [](Manifest* m) { --m->head.pages; }},
      {"have no pages", [](Manifest* m) { m->pages[0] = m->pages[--m->head.pages]; }},
      {"have no pages", [](Manifest* m) { m->head.pages = 0; }},
      {"have no pages", [](Manifest* m) { m->lengths[1] = m->lengths[0]; }},
  };
  const int files = OpenFiles();
  for (const auto& [expected, change] : wrong) {
    Manifest manifest(pages.manifest());
    change(&manifest);
    Import import;
    const vattn_status status = import.TryMake(manifest.head, pages.files());
    const std::string message = import.error().message;
    if (status != VATTN_INVALID_ARGUMENT || message.find(expected) == std::string::npos) {
      Fail(__FILE__, __LINE__, std::string(expected) + ": " + std::to_string(status) + message);
    }
    CHECK(!import.made());
    CHECK_EQ(OpenFiles(), files);
  }
  Import import;
  CHECK_EQ(import.TryMake(pages.manifest(), nullptr), VATTN_INVALID_ARGUMENT);
  CHECK_EQ(vattn_import_pages(nullptr, pages.files(), 0, nullptr, nullptr), VATTN_INVALID_ARGUMENT);
  CHECK_EQ(import.TryMake(pages.manifest(), pages.files()), VATTN_OK);
}

TEST(FilesThatHoldNoPagesAreDriverErrors) {
  Cache cache(ExportOptions());
  const vattn_sequence a = Written(&cache, PageTokens(), 1);
  const Export pages(&cache, {a});
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  const int files = OpenFiles();
  for (const int32_t file : {-1, nothing}) {
    const std::vector<int32_t> others(static_cast<size_t>(pages.manifest().files), file);
    Import import;
    CHECK_EQ(import.TryMake(pages.manifest(), others.data()), VATTN_DEVICE_ERROR);
    CHECK_NE(import.error().driver_code, 0);
    CHECK_EQ(OpenFiles(), files);
  }
  close(nothing);
  // Its number is the first that the import itself would be given.
  const std::vector<int32_t> closed(static_cast<size_t>(pages.manifest().files), nothing);
  Import import;
  CHECK_EQ(import.TryMake(pages.manifest(), closed.data()), VATTN_DEVICE_ERROR);
  CHECK_EQ(import.error().driver_code, EBADF);
}

TEST(AnImporterWithoutTheGpuIsToldWhichItIs) {
  Cache cache(ExportOptions());
  const Export pages(&cache, {Written(&cache, 1, 1)});
  Manifest elsewhere(pages.manifest());
  elsewhere.head.device_type = VATTN_DEVICE_CUDA;
  std::fill_n(elsewhere.head.device_uuid, 16, uint8_t{0xab});
  Import import;
  CHECK_EQ(import.TryMake(elsewhere.head, pages.files()), VATTN_UNSUPPORTED);
  CHECK(std::string(import.error().message).find("GPU-abababab-") != std::string::npos);
}

TEST(ReadyPassesWithTheWritersOfTheTokens) {
  Cache cache(ExportOptions());
  Timeline writer;
  cache.Attach(writer.get());
  const vattn_sequence a = Written(&cache, 10, 1);
  writer.Submit();
  vattn_fence* ready = nullptr;
  Export pages;
  CHECK_EQ(pages.TryMake(&cache, {a}, {}, false, &ready), VATTN_OK);
  CHECK_EQ(cache.api().fence_done(ready), 0);
  writer.Complete();
  if (!OnCuda()) CHECK_EQ(cache.api().fence_done(ready), 1);
  cache.api().fence_release(ready);
  // With nothing in flight there is nothing to wait for.
  Export again;
  CHECK_EQ(again.TryMake(&cache, {a}, {}, false, nullptr), VATTN_OK);
  cache.Detach(writer.get());
}

TEST(WithoutAFreeDescriptorNothingIsExported) {
  Cache cache(ExportOptions());
  const vattn_sequence a = Written(&cache, 3 * PageTokens(), 1);
  const vattn_cache_stats before = cache.Stats();
  rlimit old;
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
  const int next = dup(STDOUT_FILENO);
  close(next);
  rlimit tight = old;
  tight.rlim_cur = static_cast<rlim_t>(next + (OnCuda() ? 2 : 0));
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  Export pages;
  const vattn_status status = pages.TryMake(&cache, {a});
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
  CHECK(!pages.made());
  CHECK_NE(cache.error().driver_code, 0);
  if (!OnCuda()) {
    CHECK_EQ(status, VATTN_DEVICE_ERROR);
    CHECK_EQ(cache.error().driver_code, EMFILE);
  }
  const int again = dup(STDOUT_FILENO);
  CHECK_EQ(again, next);
  close(again);
  cache.Free(a);
  CHECK_EQ(cache.Stats().retained_bytes, before.retained_bytes);
  cache.Check();
}

TEST(NothingLeaks) {
  Cache cache(ExportOptions(VATTN_LAYOUT_SPLIT));
  const vattn_sequence a = Written(&cache, 2 * PageTokens(), 1);
  const int files = OpenFiles();
  const vattn_cache_stats before = cache.Stats();
  for (int i = 0; i < 30; ++i) {
    Export pages(&cache, {a, a}, {}, /*writable=*/i % 2 == 0);
    Import first;
    Import second;
    CHECK_EQ(first.TryMake(pages.manifest(), pages.files()), VATTN_OK);
    CHECK_EQ(second.TryMake(pages.manifest(), pages.files(), i % 2 == 0), VATTN_OK);
  }
  CHECK_EQ(OpenFiles(), files);
  CHECK_EQ(cache.Stats().total_bytes, before.total_bytes);
  CHECK_EQ(cache.Stats().mapped_bytes, before.mapped_bytes);
  cache.Check();
  cache.Close();
}

}  // namespace
}  // namespace vattention::testing

int main(int argc, char** argv) { return vattention::testing::RunTestsOrPeer(argc, argv); }
