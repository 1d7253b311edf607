#include "node/attention/foreign_view.h"

#include "node/args.h"
#include "node/tensor_record.h"

namespace vattention::node {

ForeignView::ForeignView(const Napi::Object& described) {
  const auto integer = [&](const char* name) { return IntegerProperty<int32_t>(described, name); };
  view_.size = sizeof(view_);
  view_.kind = integer("kind");
  view_.shape.size = sizeof(view_.shape);
  view_.shape.layers = integer("layers");
  view_.shape.kv_heads = integer("kvHeads");
  view_.shape.head_dim = integer("headDim");
  view_.shape.value_head_dim = integer("valueHeadDim");
  view_.shape.dtype = integer("dtype");
  view_.shape.max_sequences = integer("maxSequences");
  view_.shape.max_length = IntegerProperty<int64_t>(described, "maxLength");
  view_.pool_layout = integer("poolLayout");
  view_.block_tokens = integer("blockTokens");
  view_.blocks = integer("blocks");
  view_.max_blocks = integer("maxBlocks");
  view_.tail_rows = integer("tailRows");
  view_.finite_tail = BooleanProperty(described, "finiteTail") ? 1 : 0;
  const auto records = Elements<double>(described.Get("records"));
  const auto layers = static_cast<size_t>(view_.shape.layers);
  if (records.size() < 2 * layers * kTensorRecordLength) {
    ThrowInvalidArgument(described.Env(), "Expected a larger array of records.");
  }
  keys_.resize(layers);
  values_.resize(layers);
  for (size_t i = 0; i < layers; ++i) {
    ReadTensorRecord(records.data(), static_cast<int>(2 * i), &keys_[i]);
    ReadTensorRecord(records.data(), static_cast<int>(2 * i + 1), &values_[i]);
  }
  view_.key = keys_.data();
  view_.value = values_.data();
}

}  // namespace vattention::node
