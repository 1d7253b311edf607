// The configuration and limits of a plan, as attention/native-config.ts writes them.
#ifndef VATTENTION_NATIVE_NODE_ATTENTION_PLAN_CONFIG_H_
#define VATTENTION_NATIVE_NODE_ATTENTION_PLAN_CONFIG_H_

#include <napi.h>

#include <array>
#include <vector>

#include "vattention/attention.h"

namespace vattention::node {

class PlanConfig {
 public:
  explicit PlanConfig(const Napi::Object& object);
  PlanConfig(const PlanConfig&) = delete;
  PlanConfig& operator=(const PlanConfig&) = delete;

  const vattn_config& config() const { return config_; }
  const vattn_limits& limits() const { return limits_; }

 private:
  std::vector<float> alibi_;
  std::vector<float> sinks_;
  std::array<vattn_tensor, 3> scales_{};  // of query, key and value
  vattn_config config_{};
  vattn_limits limits_{};
};

}  // namespace vattention::node

#endif  // VATTENTION_NATIVE_NODE_ATTENTION_PLAN_CONFIG_H_
