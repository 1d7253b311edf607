// A plan of the C ABI as a JavaScript object: src/addon.ts (NativePlan) has its contract.
#ifndef VATTENTION_CPU_ADDON_PLAN_H_
#define VATTENTION_CPU_ADDON_PLAN_H_

#include <napi.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "cache_binding.h"
#include "node/error.h"
#include "run_thread.h"
#include "vattention/attention.h"

namespace vattention::cpu_addon {

class Plan : public Napi::ObjectWrap<Plan> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit Plan(const Napi::CallbackInfo& info);
  ~Plan() override;

 private:
  // One layer's tensors, read from the records.
  struct Arguments {
    int32_t layer;
    vattn_tensor tensors[5];         // query, key, value, output, lse
    const vattn_tensor* present[5];  // nullptr: absent
  };

  void Prepare(const Napi::CallbackInfo& info);
  void PrepareRows(const Napi::CallbackInfo& info);
  void Run(const Napi::CallbackInfo& info);
  Napi::Value RunAsync(const Napi::CallbackInfo& info);
  void Append(const Napi::CallbackInfo& info);
  Napi::Value WorkspaceBytes(const Napi::CallbackInfo& info);
  void Destroy(const Napi::CallbackInfo& info);

  void CheckIdle(Napi::Env env) const;
  void ReadArguments(Arguments* arguments) const;
  vattn_status Compute(const Arguments& arguments, vattn_error* error) const;
  void Done(Napi::Env env);
  void Free();

  vattn_plan* plan_ = nullptr;
  CacheBinding binding_;
  Napi::Reference<Napi::Float64Array> records_;
  double* numbers_ = nullptr;  // of records_
  int64_t reported_bytes_ = 0;

  // A cache without a C table: its view, as JavaScript described it.
  std::vector<vattn_tensor> key_layers_;
  std::vector<vattn_tensor> value_layers_;

  // Work on thread_.
  std::unique_ptr<RunThread> thread_;
  std::optional<Napi::Promise::Deferred> pending_;
  Arguments work_{};
  vattn_status work_status_ = VATTN_OK;
  node::ErrorRecord work_error_;
  bool destroy_when_done_ = false;
};

}  // namespace vattention::cpu_addon

#endif  // VATTENTION_CPU_ADDON_PLAN_H_
