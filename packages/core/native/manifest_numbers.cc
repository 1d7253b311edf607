#include "manifest_numbers.h"

#include <algorithm>

#include "node/args.h"

namespace vattention::core {
namespace {

using node::Elements;

// Numbers of a head, a page and a tensor: src/addon.ts names them in this order.
constexpr size_t kHeadNumbers = 8;
constexpr size_t kPageNumbers = 5;
constexpr size_t kTensorNumbers = 9;

double* Put(const vattn_exported_tensor& tensor, double* out) {
  *out++ = static_cast<double>(tensor.offset);
  for (const int64_t size : tensor.shape) *out++ = static_cast<double>(size);
  for (const int64_t stride : tensor.stride) *out++ = static_cast<double>(stride);
  return out;
}

vattn_exported_tensor TensorOf(const double* numbers) {
  vattn_exported_tensor tensor{};
  tensor.size = sizeof(tensor);
  tensor.offset = static_cast<int64_t>(numbers[0]);
  for (int i = 0; i < 4; ++i) {
    tensor.shape[i] = static_cast<int64_t>(numbers[1 + i]);
    tensor.stride[i] = static_cast<int64_t>(numbers[5 + i]);
  }
  return tensor;
}

}  // namespace

Napi::Object ToManifestNumbers(Napi::Env env, const vattn_page_manifest& manifest) {
  const double head[] = {
      static_cast<double>(manifest.version),      static_cast<double>(manifest.device_type),
      static_cast<double>(manifest.device_index), static_cast<double>(manifest.dtype),
      static_cast<double>(manifest.layout),       static_cast<double>(manifest.layer_group),
      static_cast<double>(manifest.writable),     static_cast<double>(manifest.sequence_bytes),
  };
  static_assert(std::size(head) == kHeadNumbers);
  auto numbers = Napi::Float64Array::New(env, kHeadNumbers);
  std::copy(std::begin(head), std::end(head), numbers.Data());

  auto uuid = Napi::Uint8Array::New(env, sizeof(manifest.device_uuid));
  std::copy(std::begin(manifest.device_uuid), std::end(manifest.device_uuid), uuid.Data());

  auto lengths = Napi::Uint32Array::New(env, static_cast<size_t>(manifest.sequences));
  std::copy_n(manifest.length, manifest.sequences, lengths.Data());

  auto pages = Napi::Float64Array::New(env, kPageNumbers * static_cast<size_t>(manifest.pages));
  double* out = pages.Data();
  for (int32_t i = 0; i < manifest.pages; ++i) {
    const vattn_exported_page& page = manifest.page[i];
    *out++ = page.sequence;
    *out++ = page.file;
    *out++ = static_cast<double>(page.offset);
    *out++ = static_cast<double>(page.bytes);
    *out++ = static_cast<double>(page.file_offset);
  }

  auto tensors =
      Napi::Float64Array::New(env, 2 * kTensorNumbers * static_cast<size_t>(manifest.layers));
  out = tensors.Data();
  for (int32_t i = 0; i < manifest.layers; ++i) {
    out = Put(manifest.value[i], Put(manifest.key[i], out));
  }

  auto object = Napi::Object::New(env);
  object.Set("head", numbers);
  object.Set("uuid", uuid);
  object.Set("lengths", lengths);
  object.Set("pages", pages);
  object.Set("tensors", tensors);
  return object;
}

ManifestOfNumbers::ManifestOfNumbers(const Napi::Object& numbers, int32_t files) {
  const auto head = Elements<double>(numbers.Get("head"));
  const auto uuid = Elements<uint8_t>(numbers.Get("uuid"));
  const auto lengths = Elements<uint32_t>(numbers.Get("lengths"));
  const auto pages = Elements<double>(numbers.Get("pages"));
  const auto tensors = Elements<double>(numbers.Get("tensors"));
  if (head.size() != kHeadNumbers || uuid.size() != sizeof(manifest_.device_uuid)) {
    node::ThrowInvalidArgument(numbers.Env(), "Expected the numbers of a manifest.");
  }
  lengths_.assign(lengths.begin(), lengths.end());
  for (size_t i = 0; i + kPageNumbers <= pages.size(); i += kPageNumbers) {
    vattn_exported_page page{};
    page.size = sizeof(page);
    page.sequence = static_cast<int32_t>(pages[i]);
    page.file = static_cast<int32_t>(pages[i + 1]);
    page.offset = static_cast<uint64_t>(pages[i + 2]);
    page.bytes = static_cast<uint64_t>(pages[i + 3]);
    page.file_offset = static_cast<uint64_t>(pages[i + 4]);
    pages_.push_back(page);
  }
  for (size_t i = 0; i + 2 * kTensorNumbers <= tensors.size(); i += 2 * kTensorNumbers) {
    keys_.push_back(TensorOf(&tensors[i]));
    values_.push_back(TensorOf(&tensors[i + kTensorNumbers]));
  }

  manifest_.size = sizeof(manifest_);
  manifest_.version = static_cast<int32_t>(head[0]);
  manifest_.device_type = static_cast<int32_t>(head[1]);
  manifest_.device_index = static_cast<int32_t>(head[2]);
  manifest_.dtype = static_cast<int32_t>(head[3]);
  manifest_.layout = static_cast<int32_t>(head[4]);
  manifest_.layer_group = static_cast<int32_t>(head[5]);
  manifest_.writable = static_cast<int32_t>(head[6]);
  manifest_.sequence_bytes = static_cast<uint64_t>(head[7]);
  std::copy(uuid.begin(), uuid.end(), manifest_.device_uuid);
  manifest_.layers = static_cast<int32_t>(keys_.size());
  manifest_.sequences = static_cast<int32_t>(lengths_.size());
  manifest_.pages = static_cast<int32_t>(pages_.size());
  manifest_.files = files;
  manifest_.length = lengths_.data();
  manifest_.page = pages_.data();
  manifest_.key = keys_.data();
  manifest_.value = values_.data();
}

}  // namespace vattention::core
