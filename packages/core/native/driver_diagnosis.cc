#include "driver_diagnosis.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "driver_calls.h"
#include "environment.h"
#include "job_thread.h"
#include "memory/status.h"
#include "node/args.h"

namespace vattention::core {
namespace {

using node::ErrorRecord;
using node::Integer;

// What both are about: device type, device index, bytes of a page.
struct Subject {
  int32_t device_type;
  int32_t device_index;
  uint64_t page_bytes;
};

Subject ReadSubject(const Napi::CallbackInfo& info) {
  return {Integer<int32_t>(info[0]), Integer<int32_t>(info[1]), Integer<uint64_t>(info[2])};
}

// Runs a measurement off the JavaScript thread, and settles its promise.
class Measurement final : public Job {
 public:
  Measurement(Napi::Env env, std::function<Status()> measure,
              std::function<Napi::Value(Napi::Env)> result)
      : deferred_(Napi::Promise::Deferred::New(env)),
        measure_(std::move(measure)),
        result_(std::move(result)) {}

  Napi::Promise Promise() const { return deferred_.Promise(); }

  void Execute() override {
    status_ = Guard(&error_, [this] { return measure_(); });
  }

  void Complete(Napi::Env env) override {
    if (status_ == VATTN_OK) {
      deferred_.Resolve(result_(env));
    } else {
      deferred_.Reject(node::MakeError(env, status_, error_).Value());
    }
  }

 private:
  const Napi::Promise::Deferred deferred_;
  const std::function<Status()> measure_;
  const std::function<Napi::Value(Napi::Env)> result_;
  vattn_status status_ = VATTN_OK;
  ErrorRecord error_;
};

Napi::Value Run(Napi::Env env, std::function<Status()> measure,
                std::function<Napi::Value(Napi::Env)> result) {
  auto job = std::make_unique<Measurement>(env, std::move(measure), std::move(result));
  const Napi::Promise promise = job->Promise();
  Environment::Of(env).diagnosis.Enqueue(std::move(job));
  return promise;
}

}  // namespace

Napi::Value MeasureDriverCallsOf(const Napi::CallbackInfo& info) {
  const Subject of = ReadSubject(info);
  const DriverCallOptions options{of.device_type, of.device_index, of.page_bytes,
                                  Integer<int>(info[3]), Integer<int>(info[4])};
  auto times = std::make_shared<std::vector<DriverCallTimes>>();
  return Run(
      info.Env(), [options, times] { return MeasureDriverCalls(options, times.get()); },
      [times](Napi::Env env) -> Napi::Value {
        Napi::Object result = Napi::Object::New(env);
        for (const auto& [call, nanoseconds] : *times) {
          auto numbers = Napi::Float64Array::New(env, nanoseconds.size());
          std::copy(nanoseconds.begin(), nanoseconds.end(), numbers.Data());
          result.Set(call, numbers);
        }
        return result;
      });
}

Napi::Value MeasureMappingCeilingOf(const Napi::CallbackInfo& info) {
  const Subject of = ReadSubject(info);
  const MappingCeilingOptions options{of.device_type, of.device_index, of.page_bytes,
                                      Integer<int64_t>(info[3]),
                                      info[4].As<Napi::Number>().DoubleValue()};
  auto ceiling = std::make_shared<MappingCeiling>();
  return Run(
      info.Env(), [options, ceiling] { return MeasureMappingCeiling(options, ceiling.get()); },
      [ceiling](Napi::Env env) -> Napi::Value {
        Napi::Object result = Napi::Object::New(env);
        result.Set("mappings", static_cast<double>(ceiling->mappings));
        result.Set("end", ceiling->end);
        result.Set("driverCall", ceiling->driver_call);
        result.Set("driverCode", static_cast<double>(ceiling->driver_code));
        return result;
      });
}

}  // namespace vattention::core
