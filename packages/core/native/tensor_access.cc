#include "tensor_access.h"

#include <string>
#include <vector>

#include "device_copy.h"
#include "half_float.h"
#include "node/args.h"
#include "node/tensor_record.h"
#include "strided_copy.h"

namespace vattention::core {
namespace {

size_t ElementBytes(int32_t dtype) {
  switch (dtype) {
    case VATTN_FLOAT32:
    case VATTN_INT32:
      return 4;
    case VATTN_FLOAT8_E4M3:
      return 1;
    default:
      return 2;
  }
}

void Widen(int32_t dtype, const uint8_t* bits, size_t count, float* values) {
  const auto* halves = reinterpret_cast<const uint16_t*>(bits);
  for (size_t i = 0; i < count; ++i) {
    values[i] = dtype == VATTN_BFLOAT16  ? FromBfloat16(halves[i])
                : dtype == VATTN_FLOAT16 ? Float16::From(halves[i])
                                         : Float8E4M3::From(bits[i]);
  }
}

void Narrow(int32_t dtype, const float* values, size_t count, uint8_t* bits) {
  auto* halves = reinterpret_cast<uint16_t*>(bits);
  for (size_t i = 0; i < count; ++i) {
    if (dtype == VATTN_BFLOAT16) {
      halves[i] = ToBfloat16(values[i]);
    } else if (dtype == VATTN_FLOAT16) {
      halves[i] = static_cast<uint16_t>(Float16::To(values[i]));
    } else {
      bits[i] = static_cast<uint8_t>(Float8E4M3::To(values[i]));
    }
  }
}

// A call's arguments.
struct Access {
  explicit Access(const Napi::CallbackInfo& info)
      : array(info[1].As<Napi::TypedArray>()), direct(info[2].As<Napi::Boolean>()) {
    node::ReadTensorRecord(node::Elements<double>(info[0]).data(), 0, &tensor);
    bytes = static_cast<uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset();
    count = array.ElementLength();
    element_bytes = ElementBytes(tensor.dtype);
    converts = array.TypedArrayType() == napi_float32_array && element_bytes < sizeof(float);
    if (!converts && array.ElementSize() != element_bytes) {
      node::ThrowInvalidArgument(info.Env(), "Expected a typed array of the tensor's elements.");
    }
  }

  // Between the tensor and `dense`, [count] elements of the tensor's dtype.
  void Copy(Napi::Env env, uint8_t* dense, CopyDirection direction) const {
    if (tensor.device_type == VATTN_DEVICE_CUDA) {
      const vattn_tensor host = Dense(dense);
      const bool reads = direction == CopyDirection::kFromTensor;
      CopyNow(env, reads ? tensor : host, reads ? host : tensor, element_bytes);
      return;
    }
    const int failure = CopyStrided(tensor, element_bytes, dense, direction, direct);
    if (failure == 0) return;
    node::ErrorRecord error;
    std::snprintf(error.message, sizeof(error.message),
                  "Expected memory that can be %s, found addresses that are not mapped. Rows of a "
                  "cache are there once step has backed them.",
                  direction == CopyDirection::kFromTensor ? "read" : "written");
    error.driver_code = failure;
    throw node::MakeError(env, VATTN_INVALID_ARGUMENT, error);
  }

  // The tensor's elements as they lie in `dense`.
  vattn_tensor Dense(uint8_t* dense) const {
    vattn_tensor host = tensor;
    host.data = dense;
    host.device_type = VATTN_DEVICE_CPU;
    host.device_index = 0;
    int64_t stride = 1;
    for (int32_t i = host.rank; i-- > 0; stride *= host.shape[i]) host.stride[i] = stride;
    return host;
  }

  vattn_tensor tensor{};
  Napi::TypedArray array;
  bool direct;
  uint8_t* bytes = nullptr;  // of the array
  size_t count = 0;
  size_t element_bytes = 0;
  bool converts = false;
};

}  // namespace

void ReadTensor(const Napi::CallbackInfo& info) {
  const Access access(info);
  if (access.count == 0) return;
  if (!access.converts) {
    access.Copy(info.Env(), access.bytes, CopyDirection::kFromTensor);
    return;
  }
  std::vector<uint8_t> bits(access.count * access.element_bytes);
  access.Copy(info.Env(), bits.data(), CopyDirection::kFromTensor);
  Widen(access.tensor.dtype, bits.data(), access.count, reinterpret_cast<float*>(access.bytes));
}

void WriteTensor(const Napi::CallbackInfo& info) {
  const Access access(info);
  if (access.count == 0) return;
  if (!access.converts) {
    access.Copy(info.Env(), access.bytes, CopyDirection::kToTensor);
    return;
  }
  std::vector<uint8_t> bits(access.count * access.element_bytes);
  Narrow(access.tensor.dtype, reinterpret_cast<const float*>(access.bytes), access.count,
         bits.data());
  access.Copy(info.Env(), bits.data(), CopyDirection::kToTensor);
}

}  // namespace vattention::core
