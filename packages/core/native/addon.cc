// The addon of @vattention/core: src/addon.ts describes what it exports.
#include <napi.h>

#include "cache.h"
#include "cuda_devices.h"
#include "device_memory.h"
#include "driver_diagnosis.h"
#include "environment.h"
#include "fence.h"
#include "graph.h"
#include "memory.h"
#include "node/identity.h"
#include "page_export.h"
#include "page_import.h"
#include "stream.h"
#include "stream_fence.h"
#include "stream_gate.h"
#include "tensor_access.h"
#include "tensor_copy.h"
#include "time_point.h"
#include "timeline.h"

namespace vattention::core {

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto* environment = new Environment(env);
  env.SetInstanceData(environment);
  environment->fence = Napi::Persistent(Fence::Define(env));
  environment->graph = Napi::Persistent(Graph::Define(env));
  exports.Set("Cache", Cache::Define(env));
  exports.Set("Memory", Memory::Define(env));
  exports.Set("DeviceMemory", DeviceMemory::Define(env));
  exports.Set("PinnedMemory", PinnedMemory::Define(env));
  exports.Set("PageExport", PageExport::Define(env));
  exports.Set("PageImport", PageImport::Define(env));
  exports.Set("Timeline", Timeline::Define(env));
  exports.Set("Stream", Stream::Define(env));
  exports.Set("StreamGate", StreamGate::Define(env));
  exports.Set("TimePoint", TimePoint::Define(env));
  exports.Set("geometry", Napi::Function::New<&Geometry>(env));
  exports.Set("exportedBytes", Napi::Function::New<&ExportedBytes>(env));
  exports.Set("devices", Napi::Function::New<&ListDevices>(env));
  exports.Set("deviceMemory", Napi::Function::New<&DeviceMemoryInfo>(env));
  exports.Set("measureDriverCalls", Napi::Function::New<&MeasureDriverCallsOf>(env));
  exports.Set("measureMappingCeiling", Napi::Function::New<&MeasureMappingCeilingOf>(env));
  exports.Set("recordFence", Napi::Function::New<&RecordStreamFence>(env));
  exports.Set("makeStreamWait", Napi::Function::New<&MakeStreamWait>(env));
  exports.Set("beginCapture", Napi::Function::New<&Graph::Begin>(env));
  exports.Set("endCapture", Napi::Function::New<&Graph::End>(env));
  exports.Set("copyTensor", Napi::Function::New<&CopyTensor>(env));
  exports.Set("readTensor", Napi::Function::New<&ReadTensor>(env));
  exports.Set("writeTensor", Napi::Function::New<&WriteTensor>(env));
  return exports;
}

}  // namespace vattention::core

VATTN_ADDON(::vattention::core::Init)
