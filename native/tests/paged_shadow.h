// What the fuzz test believes: sequences and the contents of their rows, nothing of blocks.
#ifndef VATTENTION_NATIVE_TESTS_PAGED_SHADOW_H_
#define VATTENTION_NATIVE_TESTS_PAGED_SHADOW_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace vattention::testing {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {  // SplitMix64
    uint64_t x = state_ += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
  }
  uint32_t Below(uint64_t end) { return static_cast<uint32_t>(Next() % end); }
  bool OneIn(uint32_t n) { return Below(n) == 0; }

 private:
  uint64_t state_;
};

// What a token's row holds: it depends on everything before it, as keys and values do. Never 0,
// exact in float32 with the elements that follow it.
inline float RowValue(const std::string& salt, const std::vector<uint32_t>& tokens, size_t count) {
  uint64_t hash = std::hash<std::string>{}(salt);
  for (size_t i = 0; i < count; ++i) hash = (hash ^ tokens[i]) * 0x9e3779b97f4a7c15u + (hash >> 29);
  return static_cast<float>(1 + (hash >> 40) % 4000000);
}

struct Shadow {
  std::string salt;
  std::vector<uint32_t> tokens;  // written, from 0 on
  std::vector<float> rows;       // what each row must hold; those beyond tokens: 0 or leftovers
  uint32_t backed = 0;
  uint32_t reserved = 0;
  uint32_t first_kept = 0;
  uint32_t published = 0;
  bool may_copy = false;  // the next step may have to copy
};

// Rows that a stream may still be reading though their sequence has given them up.
struct Ghost {
  std::vector<std::pair<std::vector<float*>, float>> rows;
};

}  // namespace vattention::testing

#endif  // VATTENTION_NATIVE_TESTS_PAGED_SHADOW_H_
