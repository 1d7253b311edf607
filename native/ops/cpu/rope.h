// Rotary position embedding: every pair of elements of a head is turned by an angle proportional to
// the position.
#ifndef VATTENTION_OPS_CPU_ROPE_H_
#define VATTENTION_OPS_CPU_ROPE_H_

#include <cstdint>
#include <vector>

namespace vattention::ops {

enum class RopeStyle {
  kInterleaved,  // pairs (2i, 2i + 1), as GGUF stores Llama
  kHalf          // pairs (i, i + dims / 2), as Hugging Face does
};

class Rope {
 public:
  // Pair i turns by position / scale * base^(-2i / dims) / factors[i]. `factors` may be empty:
  // all 1.
  Rope(RopeStyle style, int64_t dims, double base, double scale, const std::vector<float>& factors);

  int64_t pairs() const { return static_cast<int64_t>(frequencies_.size()); }

  // Cosines and sines of all pairs at `position`; both [pairs()].
  void Angles(int64_t position, float* cosines, float* sines) const;

  // Turns one head in place. Elements beyond `dims` stay.
  void Rotate(const float* cosines, const float* sines, float* head) const;

 private:
  RopeStyle style_;
  std::vector<double> frequencies_;  // radians per position
};

}  // namespace vattention::ops

#endif  // VATTENTION_OPS_CPU_ROPE_H_
