// What attention on the CPU reads and writes: appended rows bit by bit, nothing else, and no row
// that a sequence does not own.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "tests/attention_cpu_fixture.h"
#include "tests/attention_cpu_reference.h"

namespace vattention::testing {
namespace {

std::vector<CacheLayout> Layouts() {
  return {{},
          {.interleaved = true},
          {.kind = VATTN_PAGED, .block_tokens = 8},
          {.kind = VATTN_PAGED, .block_tokens = 16, .pool_layout = VATTN_POOL_PAGED_ATTENTION}};
}

TEST(AppendedRowsAreExactAndNothingElseIsWritten) {
  for (const CacheLayout& layout : Layouts()) {
    for (const int32_t dtype : {VATTN_FLOAT32, VATTN_FLOAT16, VATTN_BFLOAT16}) {
      for (const int32_t cache_dtype : {VATTN_FLOAT32, VATTN_FLOAT16, VATTN_BFLOAT16}) {
        Setup setup;
        setup.layout = layout;
        setup.dtype = dtype;
        setup.cache_dtype = cache_dtype;
        const Content content = MakeContent(setup, 40, 11, 100.0f);
        TestCache cache(setup, 3, 50);
        TestCache expected(setup, 3, 50);
        for (TestCache* each : {&cache, &expected}) each->Write(content, 2, 0, 13);
        const PlanPtr plan = MakePlan(setup, cache, 2, 60, 50);
        // Every layer gets its rows from the run of that layer.
        for (int32_t layer = 0; layer < setup.layers; ++layer) {
          RunPass(plan.get(), setup, cache, {{&content, 2, 27, 40}, {&content, 0, 20, 20}}, layer,
                  3);
        }
        expected.Write(content, 2, 13, 40);
        expected.Write(content, 0, 0, 20);
        CHECK(cache.memory() == expected.memory());
      }
    }
  }
}

TEST(AppendAloneWritesTheSameRows) {
  Setup setup;
  setup.cache_dtype = VATTN_BFLOAT16;
  const Content content = MakeContent(setup, 40, 11);
  TestCache cache(setup, 1, 40);
  TestCache expected(setup, 1, 40);
  expected.Write(content, 0, 0, 40);
  const PlanPtr plan = MakePlan(setup, cache, 1, 40, 40);
  Error error;
  CHECK_EQ(Prepare(plan.get(), setup, cache, {{&content, 0, 40, 40}}, &error), VATTN_OK);
  HostTensor key(setup.dtype, 40, setup.kv_heads, setup.head_dim);
  HostTensor value(setup.dtype, 40, setup.kv_heads, setup.value_head_dim);
  std::memcpy(key.memory.data(), content.key.data(), content.key.size() * 4);
  std::memcpy(value.memory.data(), content.value.data(), content.value.size() * 4);
  for (int32_t layer = 0; layer < setup.layers; ++layer) {
    CHECK_EQ(
        vattn_cpu_backend()->plan_append(plan.get(), layer, &key.tensor, &value.tensor, &error),
        VATTN_OK);
  }
  CHECK(cache.memory() == expected.memory());
}

TEST(ManyAppendedRowsAreSharedByThreads) {
  Setup setup;
  setup.threads = 3;
  setup.layers = 1;
  const Content content = MakeContent(setup, 900, 4);
  TestCache cache(setup, 2, 900);
  TestCache expected(setup, 2, 900);
  expected.Write(content, 1, 0, 900);
  expected.Write(content, 0, 0, 500);
  const PlanPtr plan = MakePlan(setup, cache, 2, 1400, 900);
  RunPass(plan.get(), setup, cache, {{&content, 1, 900, 900}, {&content, 0, 500, 500}});
  CHECK(cache.memory() == expected.memory());
}

TEST(WithoutNewRowsTheCacheIsOnlyRead) {
  Setup setup;
  const Content content = MakeContent(setup, 30, 2);
  TestCache cache(setup, 1, 30);
  cache.Write(content, 0, 0, 30);
  const std::vector<uint8_t> before = cache.memory();
  const PlanPtr plan = MakePlan(setup, cache, 1, 30, 30);
  const std::vector<Part> parts = {{&content, 0, 5, 30}};
  CheckClose(setup, RunPass(plan.get(), setup, cache, parts, 0, 0, false), Reference(setup, parts));
  CHECK(cache.memory() == before);
}

TEST(NanInRowsThatAreMaskedNeverCounts) {
  // A row that later tokens of the same chunk see, and earlier ones do not.
  for (const int32_t window : {0, 4}) {
    Setup setup;
    setup.window = window;
    Content content = MakeContent(setup, 60, 2);
    TestCache cache(setup, 1, 60);
    const PlanPtr plan = MakePlan(setup, cache, 1, 60, 60);
    const std::vector<Part> parts = {{&content, 0, 60, 60}};
    const Result clean = RunPass(plan.get(), setup, cache, parts);
    const size_t row = 40;
    for (int64_t e = 0; e < setup.kv_heads * 64; ++e) {
      content.key[row * static_cast<size_t>(setup.kv_heads) * 64 + static_cast<size_t>(e)] =
          std::nanf("");
      content.value[row * static_cast<size_t>(setup.kv_heads) * 64 + static_cast<size_t>(e)] =
          std::nanf("");
    }
    const Result poisoned = RunPass(plan.get(), setup, cache, parts);
    const size_t floats = static_cast<size_t>(setup.query_heads * setup.value_head_dim);
    const auto heads = static_cast<size_t>(setup.query_heads);
    CHECK(clean.SameBits(poisoned, 0, 0, row, floats, heads));
    CHECK(std::isnan(poisoned.output[row * floats]));
    if (window > 0) {
      const size_t after = row + static_cast<size_t>(window);
      CHECK(clean.SameBits(poisoned, after, after, 60 - after, floats, heads));
    }
  }
}

void CheckPagesAround(int32_t dtype) {
  // K and V in the middle pages of an otherwise inaccessible range: tokens [first, last) exactly.
  const auto page = static_cast<int64_t>(sysconf(_SC_PAGESIZE));
  Setup setup;
  setup.kv_heads = 1;
  setup.query_heads = 2;
  setup.cache_dtype = VATTN_BFLOAT16;
  setup.dtype = dtype;
  setup.layers = 1;
  setup.window = 20;
  const int64_t per_page = page / (64 * 2);  // tokens of a page
  constexpr int64_t kShift = 5;              // so that no group of tokens ends where a page does
  const int64_t first = per_page + kShift;
  const int64_t last = 3 * per_page + kShift;
  const int64_t bytes = 4 * page;
  char* memory[2];
  vattn_tensor tensors[2];
  const Content content = MakeContent(setup, static_cast<int32_t>(last), 9);
  for (int kv = 0; kv < 2; ++kv) {
    void* at =
        mmap(nullptr, static_cast<size_t>(bytes), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    memory[kv] = static_cast<char*>(at);
    CHECK_EQ(mprotect(memory[kv] + page, static_cast<size_t>(2 * page), PROT_READ | PROT_WRITE), 0);
    vattn_tensor& tensor = tensors[kv];
    tensor = {};
    tensor.data = memory[kv] - kShift * 64 * 2;
    tensor.dtype = setup.cache_dtype;
    tensor.device_type = VATTN_DEVICE_CPU;
    tensor.rank = 4;
    const int64_t shape[4] = {1, 5 * per_page, 1, 64};
    const int64_t stride[4] = {5 * per_page * 64, 64, 64, 1};
    std::copy(shape, shape + 4, tensor.shape);
    std::copy(stride, stride + 4, tensor.stride);
    for (int64_t token = first; token < last - 1; ++token) {
      for (int64_t e = 0; e < 64; ++e) {
        const std::vector<float>& rows = kv == 0 ? content.key : content.value;
        Store(rows[static_cast<size_t>(token * 64 + e)], setup.cache_dtype,
              memory[kv] + ((token - kShift) * 64 + e) * 2);
      }
    }
  }
  vattn_cache_view view{};
  view.size = sizeof(view);
  view.shape = {sizeof(vattn_cache_shape), 1, 1, 64, 64, setup.cache_dtype, 1, 5 * per_page};
  view.key = &tensors[0];
  view.value = &tensors[1];
  const vattn_config config = MakeConfig(setup, view.shape);
  for (const uint32_t query : {1u, 11u, static_cast<uint32_t>(per_page)}) {
    const vattn_limits limits = MakeLimits(setup, 1, static_cast<int32_t>(query), 5 * per_page);
    vattn_plan* made = nullptr;
    Error error;
    CHECK_EQ(vattn_cpu_backend()->plan_create(&config, &limits, &made, &error), VATTN_OK);
    const PlanPtr plan(made);
    const uint32_t slot = 0;
    // The window of the first row begins where memory does, or later; the last row is the last
    // that is mapped.
    const auto kv = static_cast<uint32_t>(last);
    const uint32_t kept = std::min(kv - query - 19, static_cast<uint32_t>(first));
    CHECK_GE(kv - query, first + 19);
    vattn_batch batch{};
    batch.size = sizeof(batch);
    batch.count = 1;
    batch.query_length = &query;
    batch.kv_length = &kv;
    batch.slot = &slot;
    batch.backed_length = &kv;
    batch.first_kept = &kept;
    CHECK_EQ(vattn_cpu_backend()->plan_prepare(plan.get(), &view, &batch, vattn_stream{}, &error),
             VATTN_OK);
    HostTensor q(setup.dtype, query, 2, 64);
    HostTensor k(setup.dtype, query, 1, 64);
    HostTensor v(setup.dtype, query, 1, 64);
    HostTensor out(setup.dtype, query, 2, 64);
    const size_t from = kv - query;
    StoreAll(&content.query[from * 128], query * 128, setup.dtype, q.memory.data());
    StoreAll(&content.key[from * 64], query * 64, setup.dtype, k.memory.data());
    StoreAll(&content.value[from * 64], query * 64, setup.dtype, v.memory.data());
    CHECK_EQ(vattn_cpu_backend()->plan_run(plan.get(), 0, &q.tensor, &k.tensor, &v.tensor,
                                           &out.tensor, nullptr, &error),
             VATTN_OK);
    const Result reference = Reference(setup, {{&content, 0, query, kv}});
    Result found;
    found.output.resize(reference.output.size());
    LoadAll(out.memory.data(), static_cast<int64_t>(found.output.size()), setup.dtype,
            found.output.data());
    CheckClose(setup, {found.output, reference.lse}, reference);
  }
  for (char* at : memory) munmap(at, static_cast<size_t>(bytes));
}

TEST(PagesPastTheEndAndBeforeTheWindowNeedNotBeMapped) {
  CheckPagesAround(VATTN_FLOAT32);
  CheckPagesAround(VATTN_BFLOAT16);
}

TEST(OffsetsBeyond32Bits) {
  // Slots 3 GiB apart: elements and bytes that no 32-bit integer counts. Address space only.
  Setup setup;
  setup.kv_heads = 1;
  setup.query_heads = 1;
  setup.layers = 1;
  constexpr int64_t kSlotElements = int64_t{3} << 30;
  const int64_t bytes = 2 * kSlotElements * 4 + (int64_t{1} << 20);
  void* at = mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(at != MAP_FAILED);
  vattn_tensor tensors[2] = {};
  for (int kv = 0; kv < 2; ++kv) {
    vattn_tensor& tensor = tensors[kv];
    tensor.data = static_cast<char*>(at) + kv * 64 * 4;
    tensor.dtype = VATTN_FLOAT32;
    tensor.device_type = VATTN_DEVICE_CPU;
    tensor.rank = 4;
    const int64_t shape[4] = {3, 100, 1, 64};
    const int64_t stride[4] = {kSlotElements, 128, 64, 1};
    std::copy(shape, shape + 4, tensor.shape);
    std::copy(stride, stride + 4, tensor.stride);
  }
  vattn_cache_view view{};
  view.size = sizeof(view);
  view.shape = {sizeof(vattn_cache_shape), 1, 1, 64, 64, VATTN_FLOAT32, 3, 100};
  view.key = &tensors[0];
  view.value = &tensors[1];
  const vattn_config config = MakeConfig(setup, view.shape);
  const vattn_limits limits = MakeLimits(setup, 1, 50, 100);
  vattn_plan* made = nullptr;
  Error error;
  CHECK_EQ(vattn_cpu_backend()->plan_create(&config, &limits, &made, &error), VATTN_OK);
  const PlanPtr plan(made);
  const uint32_t slot = 2;
  const uint32_t length = 50;
  vattn_batch batch{};
  batch.size = sizeof(batch);
  batch.count = 1;
  batch.query_length = batch.kv_length = batch.backed_length = &length;
  batch.slot = &slot;
  CHECK_EQ(vattn_cpu_backend()->plan_prepare(plan.get(), &view, &batch, vattn_stream{}, &error),
           VATTN_OK);
  const Content content = MakeContent(setup, 50, 1);
  HostTensor q(setup.dtype, 50, 1, 64), k(setup.dtype, 50, 1, 64), v(setup.dtype, 50, 1, 64);
  HostTensor out(setup.dtype, 50, 1, 64);
  std::memcpy(q.memory.data(), content.query.data(), content.query.size() * 4);
  std::memcpy(k.memory.data(), content.key.data(), content.key.size() * 4);
  std::memcpy(v.memory.data(), content.value.data(), content.value.size() * 4);
  CHECK_EQ(vattn_cpu_backend()->plan_run(plan.get(), 0, &q.tensor, &k.tensor, &v.tensor,
                                         &out.tensor, nullptr, &error),
           VATTN_OK);
  const Result reference = Reference(setup, {{&content, 0, 50, 50}});
  for (size_t i = 0; i < reference.output.size(); ++i) {
    CHECK_NEAR(Load(out.memory.data() + i * 4, VATTN_FLOAT32), reference.output[i], 1e-5);
  }
  munmap(at, static_cast<size_t>(bytes));
}

}  // namespace
}  // namespace vattention::testing

TEST_MAIN()
