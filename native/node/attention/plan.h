// A plan of the C ABI as a JavaScript object: attention/backend-addon.ts (NativePlan) has its
// contract.
#ifndef VATTENTION_NATIVE_NODE_ATTENTION_PLAN_H_
#define VATTENTION_NATIVE_NODE_ATTENTION_PLAN_H_

#include <napi.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "node/attention/cache_binding.h"
#include "node/attention/foreign_view.h"
#include "node/attention/run_thread.h"
#include "node/attention/table.h"
#include "node/error.h"
#include "vattention/attention.h"

namespace vattention::node {

class Plan : public Napi::ObjectWrap<Plan> {
 public:
  // The class for one backend. Where it computes on the CPU, its plans have runAsync too.
  static Napi::Function Define(Napi::Env env, const BackendTable& table);
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
  vattn_stream StreamOf(const Napi::Value& handle) const;
  void ReadArguments(Arguments* arguments) const;
  vattn_status Compute(const Arguments& arguments, vattn_error* error) const;
  void Done(Napi::Env env);
  void Free();

  const BackendTable& table_;
  int32_t device_index_ = 0;
  vattn_plan* plan_ = nullptr;
  CacheBinding binding_;
  std::unique_ptr<ForeignView> foreign_;  // of the cache that is prepared, if it has no C table
  Napi::Reference<Napi::Float64Array> records_;
  double* numbers_ = nullptr;  // of records_
  uint64_t workspace_bytes_ = 0;
  int64_t reported_bytes_ = 0;  // what the garbage collector was told: memory of the host

  // Work on thread_.
  std::unique_ptr<RunThread> thread_;
  std::optional<Napi::Promise::Deferred> pending_;
  Arguments work_{};
  vattn_status work_status_ = VATTN_OK;
  ErrorRecord work_error_;
  bool destroy_when_done_ = false;
};

}  // namespace vattention::node

#endif  // VATTENTION_NATIVE_NODE_ATTENTION_PLAN_H_
