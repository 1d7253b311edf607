// Reading what TypeScript passes. It has been validated there: a wrong type here is our bug, and
// node-addon-api's own TypeError tells it. Values are copied into plain structs before any work
// leaves the JavaScript thread; only typed arrays are read in place.
#ifndef VATTENTION_NATIVE_NODE_ARGS_H_
#define VATTENTION_NATIVE_NODE_ARGS_H_

#include <napi.h>

#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

#include "node/error.h"

namespace vattention::node {

namespace internal {

template <typename T>
constexpr napi_typedarray_type TypedArrayType() {
  if constexpr (std::is_same_v<T, uint8_t>) return napi_uint8_array;
  if constexpr (std::is_same_v<T, uint32_t>) return napi_uint32_array;
  if constexpr (std::is_same_v<T, int32_t>) return napi_int32_array;
  if constexpr (std::is_same_v<T, float>) return napi_float32_array;
  if constexpr (std::is_same_v<T, double>) return napi_float64_array;
  if constexpr (std::is_same_v<T, uint64_t>) return napi_biguint64_array;
  if constexpr (std::is_same_v<T, int64_t>) return napi_bigint64_array;
}

}  // namespace internal

// The elements of a typed array, in place: valid during the call only, since JavaScript may detach
// or change it afterwards.
template <typename T>
std::span<T> Elements(const Napi::Value& value) {
  if (!value.IsTypedArray() ||
      value.As<Napi::TypedArray>().TypedArrayType() != internal::TypedArrayType<T>()) {
    ThrowInvalidArgument(value.Env(), "Expected a typed array of another element type.");
  }
  auto array = value.As<Napi::TypedArrayOf<T>>();
  return {array.Data(), array.ElementLength()};
}

// A JavaScript number as an integer type. Sizes and lengths stay exact below 2^53.
template <typename T>
T Integer(const Napi::Value& value) {
  static_assert(std::is_integral_v<T>);
  return static_cast<T>(value.As<Napi::Number>().Int64Value());
}

// An address (bigint) as a pointer.
inline void* Address(const Napi::Value& value) {
  bool lossless = false;
  const uint64_t address = value.As<Napi::BigInt>().Uint64Value(&lossless);
  if (!lossless) ThrowInvalidArgument(value.Env(), "Expected an address of at most 64 bits.");
  return reinterpret_cast<void*>(static_cast<uintptr_t>(address));
}

// Properties of an options object whose defaults TypeScript has filled in.
template <typename T>
T IntegerProperty(const Napi::Object& object, const char* name) {
  return Integer<T>(object.Get(name));
}
inline double NumberProperty(const Napi::Object& object, const char* name) {
  return object.Get(name).As<Napi::Number>().DoubleValue();
}
inline bool BooleanProperty(const Napi::Object& object, const char* name) {
  return object.Get(name).As<Napi::Boolean>().Value();
}
inline std::string StringProperty(const Napi::Object& object, const char* name) {
  return object.Get(name).As<Napi::String>().Utf8Value();
}

}  // namespace vattention::node

#endif  // VATTENTION_NATIVE_NODE_ARGS_H_
