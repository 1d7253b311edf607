// What blocks, what steers memory, and what is told about it.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <utility>
#include <vector>

#include "cache.h"
#include "node/args.h"

namespace vattention::core {
namespace {

using node::ErrorRecord;
using node::Integer;

// Counters of vattn_cache_stats before the histogram.
constexpr size_t kStatsCounters = 30;
constexpr size_t kStatsBuckets = sizeof(vattn_cache_stats::step_ns_histogram) / sizeof(uint64_t);

}  // namespace

// Runs a call on the cache's thread and settles its promise.
class Cache::CallJob final : public Job {
 public:
  CallJob(Cache* cache, Napi::Env env, std::function<vattn_status(vattn_error*)> call,
          std::function<Napi::Value(Napi::Env)> result)
      : cache_(cache),
        kept_(Napi::Persistent(cache->Value())),
        deferred_(Napi::Promise::Deferred::New(env)),
        call_(std::move(call)),
        result_(std::move(result)) {
    ++cache_->pending_;
  }

  Napi::Promise Promise() const { return deferred_.Promise(); }

  void Execute() override { status_ = call_(&error_); }

  void Complete(Napi::Env env) override {
    --cache_->pending_;
    if (status_ == VATTN_OK) {
      cache_->ReportMemory(env);
      deferred_.Resolve(result_(env));
    } else {
      deferred_.Reject(node::MakeError(env, status_, error_).Value());
    }
  }

 private:
  Cache* const cache_;
  const Napi::ObjectReference kept_;  // the cache stays while a call is in flight
  const Napi::Promise::Deferred deferred_;
  const std::function<vattn_status(vattn_error*)> call_;
  const std::function<Napi::Value(Napi::Env)> result_;
  vattn_status status_ = VATTN_OK;
  ErrorRecord error_;
};

Napi::Promise Cache::Enqueue(Napi::Env env, std::function<vattn_status(vattn_error*)> call,
                             std::function<Napi::Value(Napi::Env)> result) {
  auto job = std::make_unique<CallJob>(this, env, std::move(call), std::move(result));
  const Napi::Promise promise = job->Promise();
  jobs_->Enqueue(std::move(job));
  return promise;
}

Napi::Value Cache::StepAsync(const Napi::CallbackInfo& info) {
  const auto sequences = node::Elements<uint32_t>(info[0]);
  const auto lengths = node::Elements<uint32_t>(info[1]);
  auto result = std::make_shared<vattn_step_result>();
  result->size = sizeof(vattn_step_result);
  const vattn_cache_ref ref = ref_;
  return Enqueue(
      info.Env(),
      [ref, result, sequences = std::vector<uint32_t>(sequences.begin(), sequences.end()),
       lengths = std::vector<uint32_t>(lengths.begin(), lengths.end())](vattn_error* error) {
        return ref.api->step(ref.cache, sequences.data(), lengths.data(),
                             static_cast<int32_t>(sequences.size()), result.get(), error);
      },
      [result](Napi::Env env) {
        auto numbers = Napi::Float64Array::New(env, kStepNumbers);
        WriteStepNumbers(*result, numbers.Data());
        return numbers;
      });
}

void Cache::ReportMemory(Napi::Env env) {
  if (!on_host_) return;
  vattn_cache_stats stats{};
  stats.size = offsetof(vattn_cache_stats, mapped_bytes);  // the totals, which cost nothing
  if (ref_.api->stats(ref_.cache, &stats, nullptr) == VATTN_OK)
    ReportMemory(env, stats.total_bytes);
}

void Cache::ReportMemory(Napi::Env env, uint64_t total_bytes) {
  if (!on_host_) return;
  // In powers of two, and not at once when it falls a little: V8 collects garbage for each 64 MB or
  // so that it hears of, in vain while the cache lives.
  const bool near = total_bytes >= reported_bytes_ / 2 && total_bytes / 2 < reported_bytes_;
  if (total_bytes != 0 && near) return;
  const uint64_t report = std::bit_floor(total_bytes);
  const int64_t change = static_cast<int64_t>(report) - static_cast<int64_t>(reported_bytes_);
  reported_bytes_ = report;
  if (change != 0) Napi::MemoryManagement::AdjustExternalMemory(env, change);
}

void Cache::Stats(const Napi::CallbackInfo& info) {
  const auto out = node::Elements<double>(info[0]);
  vattn_cache_stats stats{};
  stats.size = sizeof(stats);
  ErrorRecord error;
  node::Check(info.Env(), ref_.api->stats(ref_.cache, &stats, &error), error);
  ReportMemory(info.Env(), stats.total_bytes);
  const uint64_t counters[] = {
      stats.live_sequences,    stats.reserved_bytes,  stats.limit_bytes,
      stats.total_bytes,       stats.mapped_bytes,    stats.needed_bytes,
      stats.ahead_bytes,       stats.surplus_bytes,   stats.retained_bytes,
      stats.parked_bytes,      stats.condemned_bytes, stats.free_bytes,
      stats.used_bytes,        stats.shared_bytes,    stats.live_mappings,
      stats.mapping_budget,    stats.steps,           stats.steps_out_of_memory,
      stats.steps_mapped_sync, stats.driver_calls,    stats.pages_created,
      stats.pages_released,    stats.pages_mapped,    stats.pages_unmapped,
      stats.adoptions,         stats.evictions,       stats.aliased_tokens,
      stats.copied_tokens,     stats.copied_bytes,    stats.zeroed_bytes,
  };
  static_assert(std::size(counters) == kStatsCounters);
  if (out.size() != kStatsCounters + kStatsBuckets) {
    node::ThrowInvalidArgument(info.Env(), "Expected one number per statistic.");
  }
  const auto to_double = [](uint64_t value) { return static_cast<double>(value); };
  std::transform(std::begin(counters), std::end(counters), out.begin(), to_double);
  std::transform(std::begin(stats.step_ns_histogram), std::end(stats.step_ns_histogram),
                 out.begin() + kStatsCounters, to_double);
}

void Cache::SetLimit(const Napi::CallbackInfo& info) {
  ErrorRecord error;
  node::Check(info.Env(), ref_.api->set_limit(ref_.cache, Integer<uint64_t>(info[0]), &error),
              error);
  ReportMemory(info.Env());
}

Napi::Value Cache::Trim(const Napi::CallbackInfo& info) {
  uint64_t released = 0;
  ErrorRecord error;
  node::Check(info.Env(), vattn_trim(ref_.cache, Integer<uint64_t>(info[0]), &released, &error),
              error);
  ReportMemory(info.Env());
  return Napi::Number::New(info.Env(), static_cast<double>(released));
}

Napi::Value Cache::TrimAsync(const Napi::CallbackInfo& info) {
  auto released = std::make_shared<uint64_t>(0);
  return Enqueue(
      info.Env(),
      [cache = ref_.cache, keep = Integer<uint64_t>(info[0]), released](vattn_error* error) {
        return vattn_trim(cache, keep, released.get(), error);
      },
      [released](Napi::Env env) { return Napi::Number::New(env, static_cast<double>(*released)); });
}

void Cache::PauseMapper(const Napi::CallbackInfo& info) {
  ErrorRecord error;
  node::Check(info.Env(), vattn_mapper_pause(ref_.cache, &error), error);
}

void Cache::ResumeMapper(const Napi::CallbackInfo& info) {
  ErrorRecord error;
  node::Check(info.Env(), vattn_mapper_resume(ref_.cache, &error), error);
}

void Cache::DrainMapper(const Napi::CallbackInfo& info) {
  ErrorRecord error;
  node::Check(info.Env(), vattn_mapper_drain(ref_.cache, &error), error);
}

Napi::Value Cache::DrainMapperAsync(const Napi::CallbackInfo& info) {
  return Enqueue(
      info.Env(),
      [cache = ref_.cache](vattn_error* error) { return vattn_mapper_drain(cache, error); },
      [](Napi::Env env) { return env.Undefined(); });
}

Napi::Value Cache::Trace(const Napi::CallbackInfo& info) {
  std::vector<vattn_event> events(static_cast<size_t>(trace_events_));
  for (vattn_event& event : events) event.size = sizeof(event);
  const int32_t count = vattn_trace_read(ref_.cache, events.data(), trace_events_);
  events.resize(static_cast<size_t>(count));
  return EventNumbers(info.Env(), events);
}

Napi::Value Cache::SetFaults(const Napi::CallbackInfo& info) {
  vattn_fault_plan faults{};
  if (!info[0].IsUndefined()) faults = ReadFaults(info[0].As<Napi::Object>());
  uint64_t calls = 0;
  ErrorRecord error;
  node::Check(
      info.Env(),
      vattn_faults_set(ref_.cache, info[0].IsUndefined() ? nullptr : &faults, &calls, &error),
      error);
  return Napi::Number::New(info.Env(), static_cast<double>(calls));
}

Napi::Value Cache::Pending(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(pending_));
}

}  // namespace vattention::core
