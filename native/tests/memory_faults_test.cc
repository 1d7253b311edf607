// Every nth driver call failing, for n = 1 until none fails: after each the result is typed, the
// tokens are as before, nothing is leaked, and the same operation works when it is tried again.
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <string>

#include "tests/check.h"
#include "tests/memory_cache.h"

namespace vattention::testing {
namespace {

constexpr uint64_t kPage = 64 * kKiB;

// A cache with a history: a live sequence with a shared prefix, a fork that was never stepped, a
// truncated one, a slid one, parked slots and a retained span.
class Scene {
 public:
  explicit Scene(vattn_contiguous_options options) : cache_(WithFaults(&options)) {
    a_ = cache_.Allocate();
    cache_.Grow(a_, 200);
    cache_.Write(a_, 0, 200, 1);
    span_ = cache_.Span(a_, 0, 130);
    b_ = cache_.Fork(a_, 128);
    cache_.Grow(b_, 150);
    cache_.Write(b_, 128, 150, 2);
    cache_.Truncate(b_, 100);
    fork_ = cache_.Fork(a_, 90);
    slid_ = cache_.Allocate();
    cache_.Grow(slid_, 300);
    cache_.Write(slid_, 0, 300, 3);
    cache_.Slide(slid_, 150);
    const vattn_sequence parked = cache_.Allocate();
    cache_.Grow(parked, 200);
    cache_.Write(parked, 0, 200, 9);
    cache_.Free(parked);
    Verify();
  }
  void Verify() {
    CHECK(cache_.Holds(a_, 0, 200, 1));
    CHECK(cache_.Holds(b_, 0, 100, 1));
    CHECK(cache_.Holds(slid_, 150, 300, 3));
    CHECK_EQ(cache_.Backed(a_), 200u);
    CHECK_EQ(cache_.Backed(b_), 100u);
    CHECK_EQ(cache_.Backed(slid_), 300u);
    cache_.Check();
  }
  // Ends everything and expects all memory back.
  void Finish() {
    cache_.Arm(NoFaults());
    cache_.Close();
  }

  Cache& cache() { return cache_; }
  vattn_sequence a() const { return a_; }
  vattn_sequence b() const { return b_; }
  vattn_sequence fork() const { return fork_; }
  vattn_sequence slid() const { return slid_; }
  vattn_span span() const { return span_; }

 private:
  static const vattn_contiguous_options& WithFaults(vattn_contiguous_options* options) {
    static const vattn_fault_plan none = NoFaults();
    options->faults = &none;
    return *options;
  }
  Cache cache_;
  vattn_sequence a_ = 0, b_ = 0, fork_ = 0, slid_ = 0;
  vattn_span span_ = 0;
};

vattn_contiguous_options SceneOptions(int32_t layout) {
  OptionsInit init;
  init.layout = layout;
  init.limit_bytes = 8 * kMiB;
  vattn_contiguous_options options = MakeOptions(init);
  options.tail_rows = 3;
  return options;
}

vattn_fault_plan FailNth(int64_t n, int32_t kind, int32_t code) {
  vattn_fault_plan plan = NoFaults();
  plan.fail_call = n;
  plan.fail_kind = kind;
  plan.fail_code = code;
  return plan;
}

// `attempt` returns whether the operation took effect, and throws when a refusal was not typed.
void FailEvery(const std::function<bool(Scene*)>& attempt,
               const std::function<void(Scene*)>& expect) {
  for (const int32_t layout : {VATTN_LAYOUT_INTERLEAVED, VATTN_LAYOUT_SPLIT}) {
    for (const int32_t code : {ENOMEM, EIO}) {
      bool took_effect = false;
      for (int64_t n = 1; !took_effect; ++n) {
        Scene scene(SceneOptions(layout));
        const uint64_t before = scene.cache().DriverCalls();
        scene.cache().Arm(FailNth(n, VATTN_CALL_ANY, code));
        took_effect = attempt(&scene);
        const bool failed_in_vain =
            scene.cache().DriverCalls() - before >= static_cast<uint64_t>(n);
        if (!took_effect) {
          scene.Verify();
          scene.cache().Arm(NoFaults());
          CHECK(attempt(&scene));
          CHECK_LT(n, 1000);
        } else if (failed_in_vain) {
          took_effect = false;  // a failure that another way made good; go on
        }
        expect(&scene);
        scene.cache().Check();
        scene.Finish();
      }
    }
  }
}

// A driver error names the call and its code; a full pool is an outcome.
bool Typed(Scene* scene, vattn_status status) {
  if (status == VATTN_OK) return true;
  CHECK_EQ(status, VATTN_DEVICE_ERROR);
  CHECK_NE(scene->cache().error().driver_code, 0);
  CHECK(std::string(scene->cache().error().driver_call).find("injected") != std::string::npos);
  CHECK(scene->cache().error().message[0] != '\0');
  return false;
}
bool TypedStep(Scene* scene, const std::vector<vattn_sequence>& sequences,
               const std::vector<uint32_t>& lengths) {
  vattn_step_result result;
  if (!Typed(scene, scene->cache().TryStep(sequences, lengths, &result))) return false;
  return result.outcome == VATTN_STEP_OK;
}

TEST(StepSurvivesEveryFailure) {
  FailEvery(
      [](Scene* s) {
        // Grows, copies a boundary, writes into a shared page again, adopts a parked slot.
        const vattn_sequence fresh = s->cache().Allocate();
        const bool done =
            TypedStep(s, {s->a(), s->b(), s->fork(), fresh, s->slid()}, {300, 140, 120, 250, 400});
        if (!done) s->cache().Free(fresh);
        return done;
      },
      [](Scene* s) {
        CHECK(s->cache().Holds(s->a(), 0, 200, 1));
        CHECK(s->cache().Holds(s->a(), 200, 303, 0));
        CHECK(s->cache().Holds(s->b(), 0, 100, 1));
        CHECK(s->cache().Holds(s->fork(), 0, 90, 1));
        CHECK(s->cache().Holds(s->fork(), 90, 123, 0));
        CHECK(s->cache().Holds(s->slid(), 150, 300, 3));
        CHECK(s->cache().Holds(s->slid(), 300, 403, 0));
      });
}

TEST(StepThatEvictsSurvivesEveryFailure) {
  FailEvery(
      [](Scene* s) {
        s->cache().SetLimit(s->cache().Stats().total_bytes);
        return TypedStep(s, {s->a()}, {350});
      },
      [](Scene* s) {
        CHECK(s->cache().Holds(s->a(), 0, 200, 1));
        CHECK(s->cache().Holds(s->a(), 200, 353, 0));
      });
}

TEST(SharedStepSurvivesEveryFailure) {
  FailEvery(
      [](Scene* s) {
        const vattn_sequence shown = s->cache().Shared({s->span()}, 125);
        const bool done = TypedStep(s, {shown}, {160});
        if (done) CHECK(s->cache().Holds(shown, 0, 125, 1));
        s->cache().Free(shown);
        return done;
      },
      [](Scene* s) { s->Verify(); });
}

TEST(TrimSurvivesEveryFailure) {
  FailEvery(
      [](Scene* s) {
        uint64_t released = 0;
        return Typed(s, vattn_trim(s->cache().get(), 0, &released, s->cache().Error()));
      },
      [](Scene* s) {
        const vattn_cache_stats stats = s->cache().Stats();
        CHECK_EQ(stats.free_bytes + stats.parked_bytes, 0u);
        s->Verify();
      });
}

TEST(SetLimitSurvivesEveryFailure) {
  FailEvery(
      [](Scene* s) {
        return Typed(s, s->cache().api().set_limit(s->cache().get(), kPage, s->cache().Error()));
      },
      [](Scene* s) {
        CHECK_EQ(s->cache().Stats().free_bytes + s->cache().Stats().parked_bytes, 0u);
        s->Verify();
      });
}

TEST(FreeTruncateAndSlideSurviveEveryFailure) {
  for (const bool fails : {true, false}) {
    Scene scene(SceneOptions(VATTN_LAYOUT_SPLIT));
    Timeline stream;
    scene.cache().Attach(stream.get());
    stream.Submit();
    // They make no driver call but to record a fence.
    vattn_fault_plan plan = FailNth(1, VATTN_CALL_ANY, EIO);
    plan.fail_count = 1000;
    if (fails) scene.cache().Arm(plan);
    Cache& cache = scene.cache();
    CHECK_EQ(Typed(&scene, cache.api().free(cache.get(), scene.a(), nullptr, cache.Error())),
             !fails);
    CHECK_EQ(
        Typed(&scene, cache.api().truncate(cache.get(), scene.b(), 50, nullptr, cache.Error())),
        !fails);
    CHECK_EQ(
        Typed(&scene, cache.api().slide(cache.get(), scene.slid(), 250, nullptr, cache.Error())),
        !fails);
    if (fails) scene.Verify();
    cache.Arm(NoFaults());
    cache.Check();
    stream.Complete();
    cache.Detach(stream.get());
    scene.Finish();
  }
}

TEST(CloseSurvivesEveryFailure) {
  bool failed = true;
  for (int64_t n = 1; failed; ++n) {
    Scene scene(SceneOptions(VATTN_LAYOUT_SPLIT));
    scene.cache().Arm(FailNth(n, VATTN_CALL_ANY, EIO));
    const vattn_status status = vattn_contiguous_close(scene.cache().get(), scene.cache().Error());
    failed = status != VATTN_OK;
    if (failed) {
      CHECK_EQ(status, VATTN_DEVICE_ERROR);
      CHECK_NE(scene.cache().error().driver_code, 0);
      scene.cache().Close();  // gives the rest back
    }
    vattn_sequence sequence = 0;
    CHECK_EQ(scene.cache().api().allocate(scene.cache().get(), &sequence, scene.cache().Error()),
             VATTN_DISPOSED);
    CHECK_LT(n, 1000);
  }
}

TEST(ConstructorsThatFailLeaveNothing) {
  vattn_fault_plan plan = FailNth(1, VATTN_CALL_RESERVE, ENOMEM);
  vattn_contiguous_options options = SceneOptions(VATTN_LAYOUT_SPLIT);
  options.faults = &plan;
  options.map_ahead = 1;
  vattn_cache_ref ref{};
  ref.size = sizeof(ref);
  vattn_error error{};
  error.size = sizeof(error);
  CHECK_EQ(vattn_contiguous_create(&options, &ref, &error), VATTN_OUT_OF_MEMORY);
  CHECK(ref.cache == nullptr);
  CHECK_EQ(error.driver_code, ENOMEM);
  plan.fail_code = EPERM;
  CHECK_EQ(vattn_contiguous_create(&options, &ref, &error), VATTN_DEVICE_ERROR);
}

TEST(APlaceWithoutASizeIsRefused) {
  const vattn_contiguous_options options = SceneOptions(VATTN_LAYOUT_SPLIT);
  vattn_cache_ref ref{};
  vattn_error error{};
  error.size = sizeof(error);
  CHECK_EQ(vattn_contiguous_create(&options, &ref, &error), VATTN_INVALID_ARGUMENT);
  CHECK_EQ(vattn_contiguous_create(&options, nullptr, &error), VATTN_INVALID_ARGUMENT);
}

TEST(AFullDeviceIsAnOutcome) {
  Scene scene(SceneOptions(VATTN_LAYOUT_INTERLEAVED));
  scene.cache().Trim(0);
  vattn_fault_plan plan = FailNth(1, VATTN_CALL_CREATE, ENOMEM);
  plan.fail_count = 1000;
  scene.cache().Arm(plan);
  const vattn_cache_stats before = scene.cache().Stats();
  vattn_step_result result;
  CHECK_EQ(scene.cache().TryStep({scene.a()}, {500}, &result), VATTN_OK);
  CHECK_EQ(result.outcome, static_cast<int32_t>(VATTN_STEP_OUT_OF_MEMORY));
  CHECK_EQ(result.limit, static_cast<int32_t>(VATTN_LIMIT_DEVICE));
  const vattn_cache_stats after = scene.cache().Stats();
  CHECK_EQ(after.total_bytes, before.total_bytes);
  CHECK_EQ(after.mapped_bytes, before.mapped_bytes);
  scene.Verify();
}

TEST(TheMapperTriesAgain) {
  vattn_contiguous_options options = SceneOptions(VATTN_LAYOUT_INTERLEAVED);
  options.map_ahead = 1;
  options.ahead_tokens = 128;
  options.trace_events = 256;
  Scene scene(options);
  Cache& cache = scene.cache();
  cache.Drain();
  for (int32_t kind = VATTN_CALL_CREATE; kind <= VATTN_CALL_ZERO; ++kind) {
    cache.Arm(FailNth(1, kind, EIO));
    const vattn_sequence fresh = cache.Allocate();
    vattn_step_result result;
    while (cache.TryStep({fresh}, {40}, &result) != VATTN_OK) {
      CHECK_EQ(cache.error().status, VATTN_DEVICE_ERROR);
    }
    cache.Drain();
    cache.Drain();  // a failure is put off; draining again tries again
    cache.Check();
    cache.Arm(NoFaults());
    cache.Drain();
    CHECK_EQ(cache.Grow(fresh, 40 + 128).driver_calls, 0);
    cache.Free(fresh);
    cache.Drain();
    scene.Verify();
  }
}

}  // namespace
}  // namespace vattention::testing

TEST_MAIN()
