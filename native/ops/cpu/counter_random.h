// Random numbers by counter (Philox 4x32-10, Salmon et al. 2011): a number is a function of seed
// and counter alone, so a draw does not depend on what was drawn for others before it.
#ifndef VATTENTION_OPS_CPU_COUNTER_RANDOM_H_
#define VATTENTION_OPS_CPU_COUNTER_RANDOM_H_

#include <array>
#include <cstdint>

namespace vattention::ops {

// 128 random bits for (seed, counter).
inline std::array<uint32_t, 4> Philox(uint64_t seed, uint64_t counter) {
  constexpr uint64_t kMultiplier0 = 0xD2511F53u;
  constexpr uint64_t kMultiplier1 = 0xCD9E8D57u;
  uint32_t key0 = static_cast<uint32_t>(seed);
  uint32_t key1 = static_cast<uint32_t>(seed >> 32);
  std::array<uint32_t, 4> c = {static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32),
                               0, 0};
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = kMultiplier0 * c[0];
    const uint64_t product1 = kMultiplier1 * c[2];
    c = {static_cast<uint32_t>(product1 >> 32) ^ c[1] ^ key0, static_cast<uint32_t>(product1),
         static_cast<uint32_t>(product0 >> 32) ^ c[3] ^ key1, static_cast<uint32_t>(product0)};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return c;
}

// Uniform in [0, 1), 53 bits.
inline double UniformDouble(uint64_t seed, uint64_t counter) {
  const auto bits = Philox(seed, counter);
  const uint64_t mantissa = (uint64_t{bits[0]} << 32 | bits[1]) >> 11;
  return static_cast<double>(mantissa) * 0x1p-53;
}

}  // namespace vattention::ops

#endif  // VATTENTION_OPS_CPU_COUNTER_RANDOM_H_
