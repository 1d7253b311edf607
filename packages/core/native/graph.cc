#include "graph.h"

#include <cstdio>
#include <utility>

#include "environment.h"
#include "stream_argument.h"

namespace vattention::core {

using cuda::Check;

namespace {

// Errors of captures mean "not now" elsewhere; here they are about what was captured.
void CheckCaptured(Napi::Env env, const DriverStatus& status) {
  if (status.ok()) return;
  node::ErrorRecord error;
  error.driver_code = status.code;
  std::snprintf(error.driver_call, sizeof(error.driver_call), "%s", status.call);
  std::snprintf(error.message, sizeof(error.message),
                "The capture failed: %s answered %d. What the stream was given cannot be part of a "
                "graph: it waited, allocated, or depends on work from outside.",
                status.call, static_cast<int>(status.code));
  const bool memory = status.status == VATTN_OUT_OF_MEMORY;
  throw node::MakeError(env, memory ? VATTN_OUT_OF_MEMORY : VATTN_DEVICE_ERROR, error);
}

}  // namespace

Napi::Function Graph::Define(Napi::Env env) {
  return DefineClass(
      env, "Graph",
      {InstanceMethod<&Graph::Launch>("launch"), InstanceMethod<&Graph::Release>("release")});
}

void Graph::Begin(const Napi::CallbackInfo& info) {
  const vattn_stream stream = ReadStream(info);
  Environment& environment = Environment::Of(info.Env());
  const auto device = environment.devices.Get(info.Env(), stream.device_index);
  CheckDriver(info.Env(), device->BeginCapture(cuda::StreamOf(stream)), "capturing a stream");
}

Napi::Value Graph::End(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const vattn_stream stream = ReadStream(info);
  Environment& environment = Environment::Of(env);
  const auto device = environment.devices.Find(stream.device_index);
  if (device == nullptr || !device->IsCapturing(cuda::StreamOf(stream))) {
    node::ThrowInvalidArgument(env, "Expected a stream that is being captured.");
  }
  cuda::Graph graph = nullptr;
  DriverStatus status = device->EndCapture(cuda::StreamOf(stream), &graph);
  const CudaContext::Scope scope(*device->context());
  const bool wanted = info[3].As<Napi::Boolean>();
  cuda::GraphExec exec = nullptr;
  if (wanted && status.ok()) {
    status = Check("cuGraphInstantiate", device->api().graph_instantiate(&exec, graph, 0));
  }
  if (graph != nullptr) device->api().graph_destroy(graph);
  if (!wanted) return env.Undefined();
  CheckCaptured(env, status);
  const Napi::Object object = environment.graph.New({});
  Graph* made = Unwrap(object);
  made->device_ = device;
  made->exec_ = exec;
  return object;
}

void Graph::Launch(const Napi::CallbackInfo& info) {
  const vattn_stream stream = ReadStream(info);
  const CudaContext::Scope scope(*device_->context());
  CheckDriver(info.Env(),
              Check("cuGraphLaunch", device_->api().graph_launch(exec_, cuda::StreamOf(stream))),
              "replaying a graph");
  Environment::Of(info.Env()).devices.NoteWork(stream);
}

// What was launched still runs to its end.
void Graph::Destroy() {
  const auto device = std::exchange(device_, nullptr);
  if (device == nullptr) return;
  const CudaContext::Scope scope(*device->context());
  device->api().graph_exec_destroy(exec_);
}

}  // namespace vattention::core
