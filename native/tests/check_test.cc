// The checks themselves: a check that cannot fail would make every other test worthless.
#include "tests/check.h"

#include <string>

namespace vattention::testing {
namespace {

// What `check` says when it fails; empty when it passes.
template <typename Function>
std::string FailureOf(Function check) {
  try {
    check();
  } catch (const CheckFailure& failure) {
    return failure.text;
  }
  return "";
}

TEST(AFailedCheckNamesItsCondition) {
  const std::string text = FailureOf([] { CHECK(1 + 1 == 3); });
  CHECK(text.find("1 + 1 == 3") != std::string::npos);
  CHECK(text.find("check_test.cc:") != std::string::npos);
}

TEST(AFailedComparisonShowsBothSides) {
  const int found = 41;
  const std::string text = FailureOf([&] { CHECK_EQ(found, 42u); });
  CHECK(text.find("41 against 42") != std::string::npos);
}

TEST(ComparisonsHoldForSignedAndUnsigned) {
  CHECK_EQ(7, 7u);
  CHECK_NE(-1, ~0u);
  CHECK_LT(-1, 0u);
  CHECK_LE(2, 2u);
  CHECK_GT(3u, -3);
  CHECK_GE(3u, 3);
  CHECK(!FailureOf([] { CHECK_LT(2, 2); }).empty());
  CHECK(!FailureOf([] { CHECK_GT(-1, 0u); }).empty());
}

TEST(NearAcceptsTheToleranceAndRefusesMore) {
  CHECK_NEAR(1.0, 1.5, 0.5);
  CHECK(!FailureOf([] { CHECK_NEAR(1.0, 1.6, 0.5); }).empty());
  CHECK(!FailureOf([] { CHECK_NEAR(std::nan(""), 1.0, 0.5); }).empty());
}

}  // namespace
}  // namespace vattention::testing

TEST_MAIN()
