// A plan's hold on a cache, as the cache sees it: who is attached, who waits, what is kept.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "node/attention/cache_binding.h"
#include "tests/check.h"

// A cache that notes its calls and answers what a test wants.
struct vattn_cache {
  int32_t kind = VATTN_CONTIGUOUS;
  std::vector<std::string> calls;
  std::vector<uint32_t> slot, backed, first_kept;  // of each sequence, which is its index
  std::vector<int32_t> widths;                     // of a paged cache's rows, one for each call
  vattn_status attaching = VATTN_OK;
  std::vector<int64_t> strides;  // that block tables were asked for with
  uint64_t revision = 0;
  int resolved = 0;  // calls
};

namespace vattention::node {
namespace {

using Calls = std::vector<std::string>;

std::string Name(const char* call, vattn_stream stream) {
  return std::string(call) + " " + std::to_string(stream.device_type) + ":" +
         std::to_string(stream.device_index) + ":" + std::to_string(stream.handle);
}

vattn_status View(vattn_cache* cache, vattn_cache_view* view, vattn_error*) {
  view->kind = cache->kind;
  return VATTN_OK;
}

vattn_status Resolve(vattn_cache* cache, const vattn_sequence* sequences, int32_t count,
                     vattn_rows* rows, vattn_error*) {
  ++cache->resolved;
  if (cache->kind == VATTN_PAGED) {
    rows->widest = cache->widths.front();
    if (cache->widths.size() > 1) cache->widths.erase(cache->widths.begin());
    if (rows->block_table != nullptr) {
      cache->strides.push_back(rows->block_table_stride);
      if (rows->block_table_stride < rows->widest) return VATTN_INVALID_ARGUMENT;
      std::fill_n(rows->block_table, count * rows->block_table_stride, 7);
    }
  }
  for (int32_t i = 0; i < count; ++i) {
    const size_t sequence = sequences[i];
    if (sequence >= cache->slot.size()) return VATTN_STALE_SEQUENCE;
    rows->slot[i] = cache->slot[sequence];
    rows->backed_length[i] = cache->backed[sequence];
    rows->first_kept[i] = cache->first_kept[sequence];
  }
  return VATTN_OK;
}

constexpr vattn_cache_api kApi = [] {
  vattn_cache_api api{};
  api.size = sizeof(api);
  api.abi_version = VATTN_ABI_VERSION;
  api.name = "noting";
  api.retain = [](vattn_cache* cache) { cache->calls.emplace_back("retain"); };
  api.release = [](vattn_cache* cache) { cache->calls.emplace_back("release"); };
  api.view = &View;
  api.resolve = &Resolve;
  api.attach_stream = [](vattn_cache* cache, vattn_stream stream, vattn_error*) {
    cache->calls.push_back(Name("attach", stream));
    return cache->attaching;
  };
  api.detach_stream = [](vattn_cache* cache, vattn_stream stream, vattn_error*) {
    cache->calls.push_back(Name("detach", stream));
    return vattn_status{VATTN_BUSY};
  };
  api.wait_ready = [](vattn_cache* cache, vattn_stream stream, vattn_error*) {
    cache->calls.push_back(Name("wait", stream));
    return vattn_status{VATTN_OK};
  };
  return api;
}();

vattn_cache_ref Ref(vattn_cache* cache, const vattn_cache_api& api = kApi) {
  return {sizeof(vattn_cache_ref), &api, cache};
}

vattn_cache TwoSequences() {
  vattn_cache cache;
  cache.slot = {5, 3};
  cache.backed = {100, 40};
  cache.first_kept = {0, 0};
  return cache;
}

constexpr vattn_stream Cuda(uint64_t handle) { return {VATTN_DEVICE_CUDA, 1, handle}; }
constexpr vattn_stream kCaller = {VATTN_DEVICE_CPU, 0, 0};

struct Error : vattn_error {
  Error() : vattn_error{} { size = sizeof(vattn_error); }
};

// Prepares sequences 0 and 1 with lengths of 100 and 40.
void Prepare(CacheBinding* binding, vattn_cache* cache, vattn_stream stream,
             const vattn_cache_api& api = kApi) {
  Error error;
  vattn_cache_view view;
  vattn_batch batch{};
  CHECK_EQ(binding->Resolve(Ref(cache, api), std::vector<uint32_t>{0, 1}, &view, &batch, &error),
           VATTN_OK);
  CHECK_EQ(batch.count, 2);
  CHECK_EQ(batch.slot[0], 5u);
  CHECK_EQ(batch.backed_length[1], 40u);
  CHECK_EQ(binding->Hold(Ref(cache, api), stream, &error), VATTN_OK);
  binding->Keep(std::vector<uint32_t>{100, 40});
}

TEST(TheDefaultStreamOfADeviceIsAttachedAndEveryPassWaits) {
  vattn_cache cache = TwoSequences();
  {
    CacheBinding binding;
    Prepare(&binding, &cache, Cuda(0));
    CHECK(cache.calls == (Calls{"attach 2:1:0", "retain", "wait 2:1:0"}));
    Prepare(&binding, &cache, Cuda(0));
    CHECK_EQ(cache.calls.back(), "wait 2:1:0");
    CHECK_EQ(cache.calls.size(), 4u);
    cache.calls.clear();
  }
  CHECK(cache.calls == (Calls{"detach 2:1:0", "release"}));
}

TEST(TheCallingThreadIsNeitherAttachedNorWaitsForAnything) {
  vattn_cache cache = TwoSequences();
  {
    CacheBinding binding;
    Prepare(&binding, &cache, kCaller);
    Prepare(&binding, &cache, kCaller);
  }
  CHECK(cache.calls == (Calls{"retain", "release"}));
}

TEST(ANewStreamIsAttachedBeforeTheFormerIsLetGoOf) {
  vattn_cache cache = TwoSequences();
  CacheBinding binding;
  Prepare(&binding, &cache, Cuda(8));
  cache.calls.clear();
  Prepare(&binding, &cache, Cuda(9));
  CHECK(cache.calls == (Calls{"attach 2:1:9", "detach 2:1:8", "wait 2:1:9"}));
}

TEST(AStreamThatCannotBeAttachedLeavesTheHoldAsItWas) {
  vattn_cache cache = TwoSequences();
  CacheBinding binding;
  Prepare(&binding, &cache, Cuda(8));
  cache.calls.clear();
  cache.attaching = VATTN_DEVICE_ERROR;
  Error error;
  CHECK_EQ(binding.Hold(Ref(&cache), Cuda(9), &error), VATTN_DEVICE_ERROR);
  CHECK(cache.calls == (Calls{"attach 2:1:9"}));
  CHECK_EQ(binding.Recheck(&error), VATTN_OK);
  binding.Release();
  CHECK(cache.calls == (Calls{"attach 2:1:9", "detach 2:1:8", "release"}));
}

TEST(AnotherCacheIsHeldBeforeTheFormerIsReleased) {
  vattn_cache first = TwoSequences();
  vattn_cache second = TwoSequences();
  CacheBinding binding;
  Prepare(&binding, &first, Cuda(8));
  Prepare(&binding, &second, Cuda(8));
  CHECK_EQ(first.calls.back(), "release");
  CHECK(second.calls == (Calls{"attach 2:1:8", "retain", "wait 2:1:8"}));
}

TEST(WhatChangedSincePrepareIsRefused) {
  vattn_cache cache = TwoSequences();
  CacheBinding binding;
  Prepare(&binding, &cache, Cuda(0));
  Error error;
  CHECK_EQ(binding.Recheck(&error), VATTN_OK);
  cache.backed[1] = 39;
  CHECK_EQ(binding.Recheck(&error), VATTN_NOT_BACKED);
  CHECK(std::string(error.message).find("number 1 of the batch") != std::string::npos);
  cache.backed[1] = 41;  // longer is fine
  CHECK_EQ(binding.Recheck(&error), VATTN_OK);
  cache.slot[0] = 6;
  CHECK_EQ(binding.Recheck(&error), VATTN_NOT_BACKED);
  cache.slot[0] = 5;
  cache.first_kept[0] = 16;
  CHECK_EQ(binding.Recheck(&error), VATTN_NOT_BACKED);
  cache.first_kept[0] = 0;
  cache.slot.pop_back();
  CHECK_EQ(binding.Recheck(&error), VATTN_STALE_SEQUENCE);
}

TEST(ACacheThatTellsItsRevisionIsAskedAgainOnlyWhenThatHasChanged) {
  static constexpr vattn_cache_api kTelling = [] {
    vattn_cache_api api = kApi;
    api.revision = [](const vattn_cache* cache) { return cache->revision; };
    return api;
  }();
  vattn_cache cache = TwoSequences();
  CacheBinding binding;
  Prepare(&binding, &cache, Cuda(0), kTelling);
  Error error;
  const int resolved = cache.resolved;
  CHECK_EQ(binding.Recheck(&error), VATTN_OK);
  CHECK_EQ(cache.resolved, resolved);
  cache.revision = 1;  // of another sequence
  CHECK_EQ(binding.Recheck(&error), VATTN_OK);
  CHECK_EQ(binding.Recheck(&error), VATTN_OK);
  CHECK_EQ(cache.resolved, resolved + 1);
  cache.backed[1] = 39;
  cache.revision = 2;
  CHECK_EQ(binding.Recheck(&error), VATTN_NOT_BACKED);
  CHECK_EQ(binding.Recheck(&error), VATTN_NOT_BACKED);
  cache.backed[1] = 40;
  CHECK_EQ(binding.Recheck(&error), VATTN_OK);
}

TEST(ATableThatEndsBeforeTheRevisionIsAskedEachTime) {
  static constexpr vattn_cache_api kOlder = [] {
    vattn_cache_api api = kApi;
    api.size = offsetof(vattn_cache_api, revision);
    api.revision = [](const vattn_cache*) -> uint64_t { return 0; };
    return api;
  }();
  vattn_cache cache = TwoSequences();
  CacheBinding binding;
  Prepare(&binding, &cache, Cuda(0), kOlder);
  Error error;
  cache.backed[1] = 39;
  CHECK_EQ(binding.Recheck(&error), VATTN_NOT_BACKED);
}

TEST(BlockTablesAreAsWideAsTheBatchNeeds) {
  vattn_cache cache = TwoSequences();
  cache.kind = VATTN_PAGED;
  cache.widths = {0, 6};  // asked, then filled: a step came in between
  CacheBinding binding;
  Error error;
  vattn_cache_view view;
  vattn_batch batch{};
  CHECK_EQ(binding.Resolve(Ref(&cache), std::vector<uint32_t>{0, 1}, &view, &batch, &error),
           VATTN_OK);
  CHECK(cache.strides == (std::vector<int64_t>{1, 6}));
  CHECK_EQ(batch.block_table_stride, 6);
  CHECK_EQ(batch.block_table[11], 7);
}

}  // namespace
}  // namespace vattention::node

TEST_MAIN()
