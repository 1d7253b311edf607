#include "ops/cpu/rope.h"

#include <cmath>

#include "ops/cpu/rows.h"
#include "ops/cpu/status.h"

namespace vattention::ops {

Rope::Rope(RopeStyle style, int64_t dims, double base, double scale,
           const std::vector<float>& factors)
    : style_(style) {
  VATTN_CHECK(dims >= 0 && dims % 2 == 0);
  VATTN_CHECK(factors.empty() || static_cast<int64_t>(factors.size()) == dims / 2);
  for (int64_t i = 0; i < dims / 2; ++i) {
    const double factor = factors.empty() ? 1.0 : factors[static_cast<size_t>(i)];
    const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(dims);
    frequencies_.push_back(std::pow(base, exponent) / (scale * factor));
  }
}

void Rope::Angles(int64_t position, float* cosines, float* sines) const {
  for (size_t i = 0; i < frequencies_.size(); ++i) {
    const double angle = static_cast<double>(position) * frequencies_[i];
    cosines[i] = static_cast<float>(std::cos(angle));
    sines[i] = static_cast<float>(std::sin(angle));
  }
}

void Rope::Rotate(const float* cosines, const float* sines, float* head) const {
  if (style_ == RopeStyle::kInterleaved) {
    RotateInterleaved(cosines, sines, 2 * pairs(), head);
  } else {
    RotateHalves(cosines, sines, 2 * pairs(), head);
  }
}

}  // namespace vattention::ops
