// What attention on the CPU refuses: a status and a message that says what was expected, and
// nothing written.
#include <functional>

#include "tests/attention_cpu_fixture.h"

namespace vattention::testing {
namespace {

const vattn_backend* Backend() { return vattn_cpu_backend(); }

vattn_status Create(const vattn_config& config, const vattn_limits& limits, Error* error) {
  vattn_plan* plan = nullptr;
  const vattn_status status = Backend()->plan_create(&config, &limits, &plan, error);
  if (status == VATTN_OK) Backend()->plan_destroy(plan);
  CHECK(status == VATTN_OK || plan == nullptr);
  return status;
}

void Refuses(vattn_status status, const char* words,
             const std::function<void(vattn_config&, vattn_limits&)>& change) {
  const Setup setup;
  const TestCache cache(setup, 2, 32);
  vattn_config config = MakeConfig(setup, cache.Shape());
  vattn_limits limits = MakeLimits(setup, 2, 16, 32);
  Error error;
  CHECK_EQ(Create(config, limits, &error), VATTN_OK);
  change(config, limits);
  CHECK_EQ(Create(config, limits, &error), status);
  CHECK_EQ(error.status, status);
  if (std::strstr(error.message, words) == nullptr) {
    Fail(__FILE__, __LINE__, std::string(words) + " is not in: " + error.message);
  }
}

TEST(ConfigurationsThatMakeNoSense) {
  const auto invalid = [](const char* words, auto change) {
    Refuses(VATTN_INVALID_ARGUMENT, words, change);
  };
  invalid("ABI", [](auto& config, auto&) { config.size = 8; });
  invalid("ABI", [](auto&, auto& limits) { limits.size = 8; });
  invalid("layers", [](auto& config, auto&) { config.shape.layers = 0; });
  invalid("multiple of the cache's 2", [](auto& config, auto&) { config.query_heads = 3; });
  invalid("found 0", [](auto& config, auto&) { config.query_heads = 0; });
  invalid("Scale", [](auto& config, auto&) { config.scale = -1; });
  invalid("Scale", [](auto& config, auto&) { config.scale = std::nanf(""); });
  invalid("Window", [](auto& config, auto&) { config.window = -1; });
  invalid("Soft cap", [](auto& config, auto&) { config.soft_cap = kInfinity; });
  invalid("Block tokens", [](auto& config, auto&) {
    config.cache_kind = VATTN_PAGED;
    config.block_tokens = 0;
  });
  invalid("Limits", [](auto&, auto& limits) { limits.max_sequences = 0; });
  invalid("Limits", [](auto&, auto& limits) { limits.max_length = int64_t{1} << 40; });
  invalid("Threads", [](auto&, auto& limits) { limits.threads = -1; });
  static const vattn_executor executor = {sizeof(vattn_executor), 0, nullptr, nullptr};
  invalid("Executor", [](auto&, auto& limits) { limits.executor = &executor; });
}

TEST(ConfigurationsThatTheCpuCannotServe) {
  const auto unsupported = [](const char* words, auto change) {
    Refuses(VATTN_UNSUPPORTED, words, change);
  };
  unsupported("multiple of 8", [](auto& config, auto&) { config.shape.head_dim = 60; });
  unsupported("multiple of 8", [](auto& config, auto&) { config.shape.value_head_dim = 1024; });
  unsupported("cache dtype 3", [](auto& config, auto&) { config.shape.dtype = VATTN_FLOAT8_E4M3; });
  unsupported("query dtype 4", [](auto& config, auto&) { config.dtype = VATTN_INT32; });
  unsupported("Cache kind", [](auto& config, auto&) { config.cache_kind = 7; });
  unsupported("Pool layout", [](auto& config, auto&) {
    config.cache_kind = VATTN_PAGED;
    config.pool_layout = 7;
  });
  unsupported("graph", [](auto&, auto& limits) { limits.graph_sequences = 4; });
}

// A plan that is prepared, and everything that a call needs.
struct Scene {
  Setup setup;
  Content content;
  TestCache cache;
  PlanPtr plan;
  HostTensor query, key, value, output, lse;
  vattn_tensor matrix;
  std::vector<uint8_t> before, output_before;

  static Setup Made(CacheLayout layout) {
    Setup setup;
    setup.layout = layout;
    return setup;
  }
  explicit Scene(CacheLayout layout = {})
      : setup(Made(layout)),
        content(MakeContent(setup, 20, 1)),
        cache(setup, 3, 40),
        plan(MakePlan(setup, cache, 2, 8, 32)),
        query(setup.dtype, 4, setup.query_heads, setup.head_dim),
        key(setup.dtype, 4, setup.kv_heads, setup.head_dim),
        value(setup.dtype, 4, setup.kv_heads, setup.value_head_dim),
        output(setup.dtype, 4, setup.query_heads, setup.value_head_dim),
        lse(VATTN_FLOAT32, 4, 1, setup.query_heads),
        matrix(lse.Matrix()) {
    matrix.shape[1] = setup.query_heads;
    cache.Write(content, 0, 0, 16);
    Error error;
    CHECK_EQ(Prepare(plan.get(), setup, cache, {{&content, 0, 4, 20}}, &error), VATTN_OK);
    before = cache.memory();
    output_before = output.memory;
  }

  vattn_status Run(Error* error, int32_t layer = 0) {
    return Backend()->plan_run(plan.get(), layer, &query.tensor, &key.tensor, &value.tensor,
                               &output.tensor, &matrix, error);
  }
  void CheckNothingWritten() {
    CHECK(cache.memory() == before);
    CHECK(output.memory == output_before);
  }
};

TEST(TensorsThatDoNotFit) {
  const auto refuses = [](const char* words, const std::function<void(Scene&)>& change) {
    Scene scene;
    change(scene);
    Error error;
    CHECK_EQ(scene.Run(&error), VATTN_INVALID_ARGUMENT);
    if (std::strstr(error.message, words) == nullptr) {
      Fail(__FILE__, __LINE__, std::string(words) + " is not in: " + error.message);
    }
    scene.CheckNothingWritten();
  };
  refuses("query: shape [4, 4, 64] required, found [3, 4, 64]",
          [](Scene& scene) { scene.query.tensor.shape[0] = 3; });
  refuses("query: shape", [](Scene& scene) { scene.query.tensor.rank = 2; });
  refuses("key: shape", [](Scene& scene) { scene.key.tensor.shape[1] = 4; });
  refuses("value: shape", [](Scene& scene) { scene.value.tensor.shape[2] = 32; });
  refuses("output: shape", [](Scene& scene) { scene.output.tensor.shape[2] = 80; });
  refuses("lse: shape", [](Scene& scene) { scene.matrix.shape[1] = 1; });
  refuses("query: dtype", [](Scene& scene) { scene.query.tensor.dtype = VATTN_BFLOAT16; });
  refuses("lse: dtype", [](Scene& scene) { scene.matrix.dtype = VATTN_FLOAT16; });
  refuses("key: strides", [](Scene& scene) { scene.key.tensor.stride[2] = 2; });
  refuses("output: strides", [](Scene& scene) { scene.output.tensor.stride[0] = -1; });
  refuses("value: a CPU tensor",
          [](Scene& scene) { scene.value.tensor.device_type = VATTN_DEVICE_CUDA; });
  refuses("output: an address", [](Scene& scene) { scene.output.tensor.data = nullptr; });
}

TEST(KeysWithoutValuesAndLayersOutOfRange) {
  Scene scene;
  Error error;
  CHECK_EQ(Backend()->plan_run(scene.plan.get(), 0, &scene.query.tensor, &scene.key.tensor, nullptr,
                               &scene.output.tensor, nullptr, &error),
           VATTN_INVALID_ARGUMENT);
  CHECK_EQ(Backend()->plan_run(scene.plan.get(), 0, &scene.query.tensor, nullptr,
                               &scene.value.tensor, &scene.output.tensor, nullptr, &error),
           VATTN_INVALID_ARGUMENT);
  for (const int32_t layer : {-1, 2}) {
    CHECK_EQ(scene.Run(&error, layer), VATTN_INVALID_ARGUMENT);
    CHECK_EQ(Backend()->plan_append(scene.plan.get(), layer, &scene.key.tensor, &scene.value.tensor,
                                    &error),
             VATTN_INVALID_ARGUMENT);
  }
  CHECK_EQ(Backend()->plan_append(scene.plan.get(), 0, nullptr, nullptr, &error),
           VATTN_INVALID_ARGUMENT);
  scene.CheckNothingWritten();
}

TEST(RunBeforePrepare) {
  Scene scene;
  const PlanPtr plan = MakePlan(scene.setup, scene.cache, 1, 4, 20);
  Error error;
  CHECK_EQ(Backend()->plan_run(plan.get(), 0, &scene.query.tensor, nullptr, nullptr,
                               &scene.output.tensor, nullptr, &error),
           VATTN_INVALID_ARGUMENT);
  CHECK(std::strstr(error.message, "plan_prepare") != nullptr);
}

TEST(BatchesBeyondTheLimits) {
  Scene scene;
  Error error;
  const auto refuses = [&](const std::vector<Part>& parts, vattn_status status) {
    CHECK_EQ(Prepare(scene.plan.get(), scene.setup, scene.cache, parts, &error), status);
    // The pass that was prepared before is still there.
    CHECK_EQ(scene.Run(&error), VATTN_OK);
  };
  const Content* content = &scene.content;
  refuses({{content, 0, 1, 20}, {content, 1, 1, 20}, {content, 2, 1, 20}}, VATTN_INVALID_ARGUMENT);
  refuses({{content, 0, 9, 20}}, VATTN_INVALID_ARGUMENT);     // tokens
  refuses({{content, 0, 1, 33}}, VATTN_INVALID_ARGUMENT);     // length
  refuses({{content, 0, 5, 4}}, VATTN_INVALID_ARGUMENT);      // query longer than KV
  refuses({{content, 3, 1, 20}}, VATTN_INVALID_ARGUMENT);     // no such slot
  refuses({{content, 0, 1, 20, 5}}, VATTN_INVALID_ARGUMENT);  // slid, and no window
}

TEST(LengthsThatAreNotBacked) {
  Scene scene;
  const uint32_t query = 1, kv = 20, slot = 0, backed = 19;
  vattn_batch batch{};
  batch.size = sizeof(batch);
  batch.count = 1;
  batch.query_length = &query;
  batch.kv_length = &kv;
  batch.slot = &slot;
  batch.backed_length = &backed;
  const vattn_cache_view view = scene.cache.View();
  Error error;
  CHECK_EQ(Backend()->plan_prepare(scene.plan.get(), &view, &batch, vattn_stream{}, &error),
           VATTN_NOT_BACKED);
  CHECK(std::strstr(error.message, "20 tokens asked for, 19 are backed") != nullptr);
}

TEST(SlidSequencesNeedAWindowThatStartsLater) {
  Setup setup;
  setup.window = 8;
  const Content content = MakeContent(setup, 30, 1);
  TestCache cache(setup, 1, 40);
  const PlanPtr plan = MakePlan(setup, cache, 1, 8, 40);
  Error error;
  // Token 20 and later are seen by a query at 27.
  CHECK_EQ(Prepare(plan.get(), setup, cache, {{&content, 0, 1, 28, 20}}, &error), VATTN_OK);
  CHECK_EQ(Prepare(plan.get(), setup, cache, {{&content, 0, 1, 28, 21}}, &error),
           VATTN_INVALID_ARGUMENT);
  CHECK(std::strstr(error.message, "at most 7 required, found 8") != nullptr);
  CHECK_EQ(Prepare(plan.get(), setup, cache, {{&content, 0, 2, 28, 20}}, &error),
           VATTN_INVALID_ARGUMENT);
  // Nothing is read for a sequence without a query.
  CHECK_EQ(Prepare(plan.get(), setup, cache, {{&content, 0, 0, 28, 21}}, &error), VATTN_OK);
}

TEST(BlockTablesThatLeadOutOfThePool) {
  Setup setup;
  setup.layout = {.kind = VATTN_PAGED, .block_tokens = 16};
  const TestCache cache(setup, 1, 64);
  const PlanPtr plan = MakePlan(setup, cache, 1, 4, 64);
  const uint32_t query = 2, kv = 33;
  vattn_batch batch{};
  batch.size = sizeof(batch);
  batch.count = 1;
  batch.query_length = &query;
  batch.kv_length = batch.backed_length = &kv;
  const vattn_cache_view view = cache.View();
  Error error;
  std::vector<int32_t> table = {1, 2, 3};
  batch.block_table = table.data();
  batch.block_table_stride = 3;
  const auto prepare = [&] {
    return Backend()->plan_prepare(plan.get(), &view, &batch, vattn_stream{}, &error);
  };
  CHECK_EQ(prepare(), VATTN_OK);
  for (const int32_t block : {-1, 1000}) {
    table[2] = block;
    CHECK_EQ(prepare(), VATTN_INVALID_ARGUMENT);
    table[2] = 3;
  }
  batch.block_table_stride = 2;  // one block short
  CHECK_EQ(prepare(), VATTN_INVALID_ARGUMENT);
  batch.block_table = nullptr;
  CHECK_EQ(prepare(), VATTN_INVALID_ARGUMENT);
}

TEST(CachesOfAnotherShape) {
  Scene scene;
  const auto refuses = [&](const std::function<void(vattn_cache_view&)>& change) {
    vattn_cache_view view = scene.cache.View();
    change(view);
    vattn_batch batch{};
    batch.size = sizeof(batch);
    Error error;
    CHECK_EQ(Backend()->plan_prepare(scene.plan.get(), &view, &batch, vattn_stream{}, &error),
             VATTN_INVALID_ARGUMENT);
    CHECK(error.message[0] != '\0');
  };
  refuses([](auto& view) { view.shape.kv_heads = 4; });
  refuses([](auto& view) { view.shape.dtype = VATTN_BFLOAT16; });
  refuses([](auto& view) { view.kind = VATTN_PAGED; });
  refuses([](auto& view) { view.key = nullptr; });
  const vattn_tensor good = scene.cache.key(1);
  for (const auto& change :
       {std::function<void(vattn_tensor&)>([](vattn_tensor& tensor) { tensor.stride[3] = 2; }),
        {[](vattn_tensor& tensor) { tensor.rank = 3; }},
        {[](vattn_tensor& tensor) { tensor.dtype = VATTN_FLOAT16; }}}) {
    change(scene.cache.key(1));
    refuses([](auto&) {});
    scene.cache.key(1) = good;
  }
}

TEST(MergesThatDoNotFit) {
  HostTensor output(VATTN_FLOAT32, 2, 3, 8);
  HostTensor lse(VATTN_FLOAT32, 2, 1, 3);
  vattn_tensor matrix = lse.Matrix();
  matrix.shape[1] = 3;
  vattn_partial partial = {output.tensor, matrix};
  Error error;
  const auto merge = [&](int32_t count) {
    return Backend()->merge(&partial, count, &output.tensor, &matrix, vattn_stream{}, &error);
  };
  CHECK_EQ(merge(0), VATTN_INVALID_ARGUMENT);
  partial.output.shape[2] = 16;
  CHECK_EQ(merge(1), VATTN_INVALID_ARGUMENT);
  CHECK(std::strstr(error.message, "partials[0].output") != nullptr);
  partial.output.shape[2] = 8;
  partial.lse.dtype = VATTN_BFLOAT16;
  CHECK_EQ(merge(1), VATTN_INVALID_ARGUMENT);
  partial.lse.dtype = VATTN_FLOAT32;
  CHECK_EQ(merge(1), VATTN_OK);
}

}  // namespace
}  // namespace vattention::testing

TEST_MAIN()
