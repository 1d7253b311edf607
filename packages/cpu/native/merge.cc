#include "merge.h"

#include <vector>

#include "attention/cpu/cpu_backend.h"
#include "node/args.h"
#include "node/error.h"
#include "node/tensor_record.h"

namespace vattention::cpu_addon {

void Merge(const Napi::CallbackInfo& info) {
  const auto records = node::Elements<double>(info[0]);
  const auto count = node::Integer<int32_t>(info[1]);
  if (count < 0 ||
      records.size() < (2 * static_cast<size_t>(count) + 2) * node::kTensorRecordLength) {
    node::ThrowInvalidArgument(info.Env(), "Expected a larger array of records.");
  }
  std::vector<vattn_partial> partials(static_cast<size_t>(count));
  for (int32_t i = 0; i < count; ++i) {
    vattn_partial& partial = partials[static_cast<size_t>(i)];
    node::ReadTensorRecord(records.data(), 2 * i, &partial.output);
    node::ReadTensorRecord(records.data(), 2 * i + 1, &partial.lse);
  }
  vattn_tensor output{};
  vattn_tensor lse{};
  node::ErrorRecord error;
  const vattn_status status = vattn_cpu_backend()->merge(
      partials.data(), count, node::ReadTensorRecord(records.data(), 2 * count, &output),
      node::ReadTensorRecord(records.data(), 2 * count + 1, &lse), vattn_stream{}, &error);
  node::Check(info.Env(), status, error);
}

}  // namespace vattention::cpu_addon
