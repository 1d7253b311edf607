// The configuration and limits of a plan, as src/native-config.ts writes them.
#ifndef VATTENTION_CPU_ADDON_PLAN_CONFIG_H_
#define VATTENTION_CPU_ADDON_PLAN_CONFIG_H_

#include <napi.h>

#include <vector>

#include "vattention/attention.h"

namespace vattention::cpu_addon {

class PlanConfig {
 public:
  explicit PlanConfig(const Napi::Object& object);

  const vattn_config& config() const { return config_; }
  const vattn_limits& limits() const { return limits_; }

 private:
  std::vector<float> alibi_;
  std::vector<float> sinks_;
  vattn_config config_{};
  vattn_limits limits_{};
};

}  // namespace vattention::cpu_addon

#endif  // VATTENTION_CPU_ADDON_PLAN_CONFIG_H_
