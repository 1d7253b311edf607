#include "attention/common/tensor_check.h"

#include <cstdio>
#include <string>

#include "attention/common/error.h"

namespace vattention::attention {

namespace {

template <typename Iterator>
std::string List(Iterator begin, Iterator end) {
  std::string text = "[";
  for (Iterator at = begin; at != end; ++at) {
    if (at != begin) text += ", ";
    text += std::to_string(*at);
  }
  return text + "]";
}

std::string Describe(const Device& device) {
  if (device.type == VATTN_DEVICE_CPU) return "CPU tensor";
  if (device.type == VATTN_DEVICE_CUDA) {
    return "tensor on CUDA device " + std::to_string(device.index);
  }
  return "tensor on a device of unknown type " + std::to_string(device.type);
}

}  // namespace

vattn_status CheckTensor(const char* name, const vattn_tensor* tensor, const Device& device,
                         std::initializer_list<int64_t> shape, int32_t dtype, vattn_error* error) {
  if (tensor == nullptr) {
    return Fail(error, VATTN_INVALID_ARGUMENT, "%s: a tensor is required.", name);
  }
  const auto rank = static_cast<int32_t>(shape.size());
  bool same = tensor->rank == rank;
  bool empty = false;
  for (int32_t i = 0; same && i < rank; ++i) {
    same = tensor->shape[i] == shape.begin()[i];
    empty = empty || tensor->shape[i] == 0;
  }
  if (!same) {
    const bool shown = tensor->rank >= 0 && tensor->rank <= VATTN_MAX_RANK;
    return Fail(error, VATTN_INVALID_ARGUMENT, "%s: shape %s required, found %s.", name,
                List(shape.begin(), shape.end()).c_str(),
                shown ? List(tensor->shape, tensor->shape + tensor->rank).c_str() : "none");
  }
  if (tensor->dtype != dtype) {
    return Fail(error, VATTN_INVALID_ARGUMENT, "%s: dtype %d required, found %d.", name, dtype,
                tensor->dtype);
  }
  if (tensor->device_type != device.type || tensor->device_index != device.index) {
    return Fail(error, VATTN_INVALID_ARGUMENT, "%s: a %s required, found a %s.", name,
                Describe(device).c_str(),
                Describe({tensor->device_type, tensor->device_index}).c_str());
  }
  bool strides_fit = tensor->stride[rank - 1] == 1 || tensor->shape[rank - 1] <= 1;
  for (int32_t i = 0; i < rank; ++i) strides_fit = strides_fit && tensor->stride[i] >= 0;
  if (!strides_fit) {
    return Fail(error, VATTN_INVALID_ARGUMENT,
                "%s: strides of at least 0 whose last is 1 required, found %s.", name,
                List(tensor->stride, tensor->stride + rank).c_str());
  }
  if (tensor->data == nullptr && !empty) {
    return Fail(error, VATTN_INVALID_ARGUMENT, "%s: an address required, found null.", name);
  }
  return VATTN_OK;
}

}  // namespace vattention::attention
