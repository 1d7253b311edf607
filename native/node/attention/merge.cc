#include "node/attention/merge.h"

#include <vector>

#include "node/args.h"
#include "node/attention/table.h"
#include "node/error.h"
#include "node/tensor_record.h"

namespace vattention::node {

void Merge(const Napi::CallbackInfo& info) {
  const auto& table = *static_cast<const BackendTable*>(info.Data());
  const auto records = Elements<double>(info[0]);
  const auto count = Integer<int32_t>(info[1]);
  const vattn_stream stream = {table.device_type, Integer<int32_t>(info[2]),
                               reinterpret_cast<uint64_t>(Address(info[3]))};
  if (count < 0 || records.size() < (2 * static_cast<size_t>(count) + 2) * kTensorRecordLength) {
    ThrowInvalidArgument(info.Env(), "Expected a larger array of records.");
  }
  std::vector<vattn_partial> partials(static_cast<size_t>(count));
  for (int32_t i = 0; i < count; ++i) {
    vattn_partial& partial = partials[static_cast<size_t>(i)];
    ReadTensorRecord(records.data(), 2 * i, &partial.output);
    ReadTensorRecord(records.data(), 2 * i + 1, &partial.lse);
  }
  vattn_tensor output{};
  vattn_tensor lse{};
  ErrorRecord error;
  const vattn_status status =
      table.api->merge(partials.data(), count, ReadTensorRecord(records.data(), 2 * count, &output),
                       ReadTensorRecord(records.data(), 2 * count + 1, &lse), stream, &error);
  Check(info.Env(), status, error);
}

}  // namespace vattention::node
