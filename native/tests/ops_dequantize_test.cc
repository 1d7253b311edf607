#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "ops/cpu/dequantize.h"
#include "tests/check.h"

namespace vattention::ops {
namespace {

struct Case {
  std::string name;
  std::vector<char> stored;
  std::vector<float> floats;
};

// What the Python package `gguf` makes of stored blocks: fixtures/make_dequantize.py.
std::vector<Case> ReadCases() {
  std::ifstream file(VATTN_TEST_FIXTURES "/dequantize.bin", std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  std::vector<Case> cases;
  for (size_t at = 0; at < bytes.size();) {
    Case c;
    c.name = std::string(bytes.data() + at, strnlen(bytes.data() + at, 8));
    uint32_t counts[2];  // elements, stored bytes
    std::memcpy(counts, bytes.data() + at + 8, sizeof(counts));
    at += 16;
    c.stored.assign(bytes.begin() + static_cast<ptrdiff_t>(at),
                    bytes.begin() + static_cast<ptrdiff_t>(at + counts[1]));
    at += counts[1];
    c.floats.resize(counts[0]);
    std::memcpy(c.floats.data(), bytes.data() + at, counts[0] * sizeof(float));
    at += counts[0] * sizeof(float);
    cases.push_back(std::move(c));
  }
  return cases;
}

TEST(EveryStorageTypeEqualsTheOracleBitByBit) {
  const std::vector<Case> cases = ReadCases();
  CHECK_EQ(cases.size(), 11u);
  for (const Case& c : cases) {
    const auto type = ParseStorageType(c.name);
    CHECK(type.has_value());
    const auto elements = static_cast<int64_t>(c.floats.size());
    CHECK_EQ(StoredBytes(*type, elements), c.stored.size());
    // One byte further on, since files align nothing.
    std::vector<char> unaligned(c.stored.size() + 1);
    std::memcpy(unaligned.data() + 1, c.stored.data(), c.stored.size());
    std::vector<float> found(c.floats.size(), -1.0f);
    Dequantize(*type, unaligned.data() + 1, elements, found.data());
    for (size_t i = 0; i < found.size(); ++i) {
      if (found[i] != c.floats[i]) {
        vattention::testing::Fail(__FILE__, __LINE__,
                                  c.name + " element " + std::to_string(i) + ": expected " +
                                      std::to_string(c.floats[i]) + ", found " +
                                      std::to_string(found[i]));
      }
    }
  }
}

TEST(NamesAndLayoutsBelongTogether) {
  for (const char* name :
       {"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"}) {
    const auto type = ParseStorageType(name);
    CHECK(type.has_value());
    CHECK_EQ(std::string(LayoutOf(*type).name), name);
  }
  CHECK(!ParseStorageType("Q3_K").has_value());
  CHECK(!ParseStorageType("").has_value());
}

TEST(EveryHalfIsExact) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float found = FromFloat16(half);
    const int exponent = half >> 10 & 31;
    const int mantissa = half & 1023;
    CHECK_EQ(std::signbit(found), half >> 15 != 0);
    if (exponent == 31) {
      CHECK(mantissa == 0 ? std::isinf(found) : std::isnan(found));
      continue;
    }
    const double expected =
        exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    CHECK_EQ(static_cast<double>(std::abs(found)), expected);
  }
}

}  // namespace
}  // namespace vattention::ops

TEST_MAIN()
