#include "page_import.h"

#include <cstdint>
#include <utility>

#include "manifest_numbers.h"
#include "node/args.h"

namespace vattention::core {

Napi::Function PageImport::Define(Napi::Env env) {
  return DefineClass(env, "PageImport",
                     {InstanceMethod<&PageImport::Addresses>("addresses"),
                      InstanceMethod<&PageImport::DeviceIndex>("deviceIndex"),
                      InstanceMethod<&PageImport::Release>("release")});
}

PageImport::PageImport(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PageImport>(info) {
  const auto files = node::Elements<int32_t>(info[1]);
  const ManifestOfNumbers manifest(info[0].As<Napi::Object>(), static_cast<int32_t>(files.size()));
  node::ErrorRecord error;
  node::Check(info.Env(),
              vattn_import_pages(manifest.get(), files.data(), info[2].As<Napi::Boolean>() ? 1 : 0,
                                 &pages_, &error),
              error);
}

void PageImport::Free() {
  if (pages_ != nullptr) vattn_import_release(std::exchange(pages_, nullptr));
}

vattn_cache_view PageImport::View(Napi::Env env) const {
  if (pages_ == nullptr) node::ThrowInvalidArgument(env, "The import was released.");
  vattn_cache_view view{};
  view.size = sizeof(view);
  node::ErrorRecord error;
  node::Check(env, vattn_import_view(pages_, &view, &error), error);
  return view;
}

Napi::Value PageImport::Addresses(const Napi::CallbackInfo& info) {
  const vattn_cache_view view = View(info.Env());
  const auto layers = static_cast<size_t>(view.shape.layers);
  auto addresses = Napi::BigUint64Array::New(info.Env(), 2 * layers);
  for (size_t i = 0; i < layers; ++i) {
    addresses.Data()[2 * i] = reinterpret_cast<uintptr_t>(view.key[i].data);
    addresses.Data()[2 * i + 1] = reinterpret_cast<uintptr_t>(view.value[i].data);
  }
  return addresses;
}

Napi::Value PageImport::DeviceIndex(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), View(info.Env()).key[0].device_index);
}

}  // namespace vattention::core
