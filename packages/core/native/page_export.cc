#include "page_export.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "environment.h"
#include "fence.h"
#include "manifest_numbers.h"
#include "node/args.h"
#include "node/tags.h"

namespace vattention::core {

using node::Elements;

Napi::Function PageExport::Define(Napi::Env env) {
  return DefineClass(
      env, "PageExport",
      {InstanceMethod<&PageExport::Manifest>("manifest"),
       InstanceMethod<&PageExport::Files>("files"), InstanceMethod<&PageExport::Ready>("ready"),
       InstanceMethod<&PageExport::Release>("release")});
}

PageExport::PageExport(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PageExport>(info) {
  const Napi::Env env = info.Env();
  const vattn_cache_ref& cache = node::UnwrapCache(info[0]);
  const auto sequences = Elements<uint32_t>(info[1]);
  const uint32_t* lengths = nullptr;
  if (!info[2].IsUndefined()) {
    const auto given = Elements<uint32_t>(info[2]);
    if (given.size() != sequences.size()) {
      node::ThrowInvalidArgument(env, "Expected one length for each sequence.");
    }
    lengths = given.data();
  }
  vattn_fence* ready = nullptr;
  node::ErrorRecord error;
  node::Check(env,
              vattn_export_pages(cache.cache, sequences.data(), lengths,
                                 static_cast<int32_t>(sequences.size()),
                                 info[3].As<Napi::Boolean>() ? 1 : 0, &pages_, &ready, &error),
              error);
  // The fence may look at any timeline that the cache has attached: keep them all.
  const auto timelines = std::make_shared<std::vector<std::shared_ptr<vattn_timeline>>>(
      Environment::Of(env).timelines.All());
  auto kept = std::shared_ptr<vattn_timeline>(timelines, nullptr);
  ready_ = Napi::Persistent(
      Fence::Make(env, std::make_shared<SharedFence>(cache.api, ready, std::move(kept))));
}

void PageExport::Free() {
  if (pages_ != nullptr) vattn_export_release(std::exchange(pages_, nullptr));
}

Napi::Value PageExport::Manifest(const Napi::CallbackInfo& info) {
  if (pages_ == nullptr) node::ThrowInvalidArgument(info.Env(), "The export was released.");
  return ToManifestNumbers(info.Env(), *vattn_export_manifest(pages_));
}

Napi::Value PageExport::Files(const Napi::CallbackInfo& info) {
  if (pages_ == nullptr) node::ThrowInvalidArgument(info.Env(), "The export was released.");
  const int32_t count = vattn_export_manifest(pages_)->files;
  auto files = Napi::Int32Array::New(info.Env(), static_cast<size_t>(count));
  std::copy_n(vattn_export_files(pages_), count, files.Data());
  return files;
}

Napi::Value ExportedBytes(const Napi::CallbackInfo& info) {
  uint64_t bytes = 0;
  node::ErrorRecord error;
  node::Check(info.Env(), vattn_exported_bytes(node::UnwrapCache(info[0]).cache, &bytes, &error),
              error);
  return Napi::Number::New(info.Env(), static_cast<double>(bytes));
}

Napi::Value PageExport::Ready(const Napi::CallbackInfo&) { return ready_.Value(); }

}  // namespace vattention::core
