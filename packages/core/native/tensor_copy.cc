#include "tensor_copy.h"

#include "device_copy.h"
#include "node/tensor_record.h"
#include "stream_argument.h"

namespace vattention::core {

void CopyTensor(const Napi::CallbackInfo& info) {
  const double* records = node::Elements<double>(info[0]).data();
  const auto element_bytes = node::Integer<size_t>(info[1]);
  vattn_tensor from;
  vattn_tensor to;
  node::ReadTensorRecord(records, 0, &from);
  node::ReadTensorRecord(records, 1, &to);
  if (info[2].IsUndefined()) {
    CopyNow(info.Env(), from, to, element_bytes);
  } else {
    CopyInOrder(info.Env(), from, to, element_bytes, ReadStream(info, 2));
  }
}

}  // namespace vattention::core
