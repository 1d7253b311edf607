// The view of a cache without a C table, as attention/foreign-cache.ts describes it.
#ifndef VATTENTION_NATIVE_NODE_ATTENTION_FOREIGN_VIEW_H_
#define VATTENTION_NATIVE_NODE_ATTENTION_FOREIGN_VIEW_H_

#include <napi.h>

#include <vector>

#include "vattention/kv_cache.h"

namespace vattention::node {

class ForeignView {
 public:
  explicit ForeignView(const Napi::Object& described);
  ForeignView(const ForeignView&) = delete;
  ForeignView& operator=(const ForeignView&) = delete;

  // Points into this object.
  const vattn_cache_view& view() const { return view_; }

 private:
  vattn_cache_view view_{};
  std::vector<vattn_tensor> keys_;    // [layers]
  std::vector<vattn_tensor> values_;  // [layers]
};

}  // namespace vattention::node

#endif  // VATTENTION_NATIVE_NODE_ATTENTION_FOREIGN_VIEW_H_
