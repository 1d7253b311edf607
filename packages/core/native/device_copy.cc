#include "device_copy.h"

#include <cstdint>
#include <cstdio>
#include <memory>

#include "copy_pieces.h"
#include "environment.h"
#include "node/error.h"

namespace vattention::core {
namespace {

using cuda::Check;
using node::ErrorRecord;

uintptr_t AddressOf(const vattn_tensor& tensor) { return reinterpret_cast<uintptr_t>(tensor.data); }
bool OnDevice(const vattn_tensor& tensor) { return tensor.device_type == VATTN_DEVICE_CUDA; }

// Calls of the driver for one copy, in the order of a stream.
class Copier {
 public:
  // The contexts: of two different devices, else nullptr.
  Copier(const cuda::Api& api, const vattn_tensor& from, const vattn_tensor& to,
         cuda::Stream stream, cuda::Context from_context, cuda::Context to_context)
      : api_(api),
        from_(from),
        to_(to),
        stream_(stream),
        from_context_(from_context),
        to_context_(to_context) {}

  // Offsets in bytes.
  cuda::Result Copy(const CopyPiece& piece, size_t from, size_t to) const {
    const bool peers = from_context_ != to_context_;
    if (piece.rows == 1 && !peers) return CopyRow(piece.bytes, from, to);
    cuda::Copy3d copy;
    copy.bytes = piece.bytes;
    copy.rows = piece.rows;
    copy.planes = piece.planes;
    copy.from = End(from_, from, piece.from_pitch, piece.from_height);
    copy.to = End(to_, to, piece.to_pitch, piece.to_height);
    if (peers) {
      copy.from.context = from_context_;
      copy.to.context = to_context_;
      return api_.copy_planes_peer(&copy, stream_);
    }
    return piece.planes > 1 ? api_.copy_planes(&copy, stream_) : CopyRows(copy);
  }

 private:
  static cuda::Copy3d::End End(const vattn_tensor& tensor, size_t offset, size_t pitch,
                               size_t height) {
    cuda::Copy3d::End end;
    if (OnDevice(tensor)) {
      end.device = AddressOf(tensor) + offset;
    } else {
      end.type = cuda::kMemoryHost;
      end.host = reinterpret_cast<const void*>(AddressOf(tensor) + offset);
    }
    end.pitch = pitch;
    end.height = height;
    return end;
  }

  cuda::Result CopyRows(const cuda::Copy3d& copy) const {
    cuda::Copy2d rows;
    rows.bytes = copy.bytes;
    rows.rows = copy.rows;
    rows.from_type = copy.from.type;
    rows.from_host = copy.from.host;
    rows.from_device = copy.from.device;
    rows.from_pitch = copy.from.pitch;
    rows.to_type = copy.to.type;
    rows.to_host = const_cast<void*>(copy.to.host);
    rows.to_device = copy.to.device;
    rows.to_pitch = copy.to.pitch;
    return api_.copy_rows(&rows, stream_);
  }

  cuda::Result CopyRow(size_t bytes, size_t from, size_t to) const {
    const uintptr_t source = AddressOf(from_) + from;
    const uintptr_t target = AddressOf(to_) + to;
    if (!OnDevice(from_)) {
      return api_.copy_from_host(target, reinterpret_cast<const void*>(source), bytes, stream_);
    }
    if (!OnDevice(to_)) {
      return api_.copy_to_host(reinterpret_cast<void*>(target), source, bytes, stream_);
    }
    return api_.copy(target, source, bytes, stream_);
  }

  const cuda::Api& api_;
  const vattn_tensor& from_;
  const vattn_tensor& to_;
  const cuda::Stream stream_;
  const cuda::Context from_context_;
  const cuda::Context to_context_;
};

[[noreturn]] void ThrowInvalid(Napi::Env env, const char* message, int code) {
  ErrorRecord error;
  error.driver_code = code;
  std::snprintf(error.message, sizeof(error.message), "%s", message);
  throw node::MakeError(env, VATTN_INVALID_ARGUMENT, error);
}

// Whether devices reach the host's memory by themselves.
bool IsPinned(const cuda::Api& api, const vattn_tensor& tensor, size_t element_bytes) {
  uintptr_t last = AddressOf(tensor);
  for (int32_t i = 0; i < tensor.rank; ++i) {
    last += static_cast<uintptr_t>((tensor.shape[i] - 1) * tensor.stride[i]) * element_bytes;
  }
  for (const uintptr_t address : {AddressOf(tensor), last + element_bytes - 1}) {
    unsigned type = 0;
    const cuda::Result result = api.pointer_attribute(&type, cuda::kPointerMemoryType, address);
    if (result != cuda::kSuccess || type != static_cast<unsigned>(cuda::kMemoryHost)) return false;
  }
  return true;
}

cuda::Context ContextOf(Napi::Env env, const vattn_tensor& tensor) {
  return Environment::Of(env).devices.Get(env, tensor.device_index)->context()->handle();
}

void Enqueue(Napi::Env env, const vattn_tensor& from, const vattn_tensor& to, size_t element_bytes,
             const cuda::Api& api, cuda::Stream stream) {
  const bool peers = OnDevice(from) && OnDevice(to) && from.device_index != to.device_index;
  const Copier copier(api, from, to, stream, peers ? ContextOf(env, from) : nullptr,
                      peers ? ContextOf(env, to) : nullptr);
  const CopyPieces pieces(from, to, element_bytes);
  const int failure =
      pieces.ForEach([&](size_t a, size_t b) { return copier.Copy(pieces.piece(), a, b); });
  if (failure == cuda::kInvalidValue) {
    ThrowInvalid(env,
                 "Expected device memory that can be read and written, found addresses that are "
                 "not mapped. Rows of a cache are there once step has backed them.",
                 failure);
  }
  CheckDriver(env, Check("cuMemcpy", failure), "copying a tensor");
}

}  // namespace

void CopyNow(Napi::Env env, const vattn_tensor& from, const vattn_tensor& to,
             size_t element_bytes) {
  CudaDevices& devices = Environment::Of(env).devices;
  for (const vattn_tensor* tensor : {&from, &to}) {
    if (!OnDevice(*tensor)) continue;
    devices.CheckNotCapturing(env, tensor->device_index, "reading or writing a tensor");
    const auto device = devices.Get(env, tensor->device_index);
    const CudaContext::Scope scope(*device->context());
    CheckDriver(env, Check("cuCtxSynchronize", device->api().context_synchronize()),
                "waiting for the device");
  }
  const auto device = devices.Get(env, (OnDevice(from) ? from : to).device_index);
  const CudaContext::Scope scope(*device->context());
  Enqueue(env, from, to, element_bytes, device->api(), device->own_stream());
  CheckDriver(env,
              Check("cuStreamSynchronize", device->api().stream_synchronize(device->own_stream())),
              "copying a tensor");
}

void CopyInOrder(Napi::Env env, const vattn_tensor& from, const vattn_tensor& to,
                 size_t element_bytes, const vattn_stream& stream) {
  CudaDevices& devices = Environment::Of(env).devices;
  const auto device = devices.Get(env, stream.device_index);
  const CudaContext::Scope scope(*device->context());
  for (const vattn_tensor* tensor : {&from, &to}) {
    if (OnDevice(*tensor) || IsPinned(device->api(), *tensor, element_bytes)) continue;
    ThrowInvalid(env,
                 "Expected memory of the host that devices reach by themselves, since the copy may "
                 "go on after the call: make it with pinnedTensor, or copy without a stream.",
                 0);
  }
  Enqueue(env, from, to, element_bytes, device->api(), cuda::StreamOf(stream));
  devices.NoteWork(stream);
}

}  // namespace vattention::core
