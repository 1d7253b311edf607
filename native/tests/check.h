// Plain checks for the native tests: no framework, works under every sanitizer.
//
//   #include "tests/check.h"
//
//   TEST(GrowingBacksWholePages) {
//     CHECK_EQ(cache.BackedLength(sequence), 16u);
//     CHECK(pool.IsValid());
//   }
//   TEST_MAIN()
//
// A failed check prints both sides with file and line, and ends that test; the others still run.
// Options of the executable: a substring selects tests by name. The last line printed is
// "N passed, N failed" and the exit code says whether all passed.
#ifndef VATTENTION_NATIVE_TESTS_CHECK_H_
#define VATTENTION_NATIVE_TESTS_CHECK_H_

#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace vattention::testing {

// Thrown by a failed check: ends the test it is in.
struct CheckFailure {
  std::string text;
};

struct TestCase {
  const char* name;
  void (*run)();
};

inline std::vector<TestCase>& Tests() {
  static std::vector<TestCase> tests;
  return tests;
}

struct Registration {
  Registration(const char* name, void (*run)()) { Tests().push_back({name, run}); }
};

template <typename T>
[[gnu::noinline, gnu::cold]] std::string Show(const T& value) {
  std::ostringstream out;
  if constexpr (std::is_enum_v<T>) {
    out << static_cast<long long>(value);
  } else if constexpr (std::is_same_v<T, bool>) {
    out << (value ? "true" : "false");
  } else if constexpr (std::is_same_v<T, uint8_t> || std::is_same_v<T, int8_t>) {
    out << static_cast<int>(value);
  } else if constexpr (requires { out << value; }) {
    out.precision(17);
    out << value;
  } else {
    out << "(" << sizeof(T) << " bytes)";
  }
  return out.str();
}

[[noreturn, gnu::noinline, gnu::cold]] inline void Fail(const char* file, int line,
                                                        const std::string& text) {
  throw CheckFailure{std::string(file) + ":" + std::to_string(line) + ": " + text};
}

// Signed and unsigned integers compare by value.
template <typename A, typename B>
bool Equal(const A& a, const B& b) {
  if constexpr (std::is_integral_v<A> && std::is_integral_v<B> && !std::is_same_v<A, bool> &&
                !std::is_same_v<B, bool>) {
    return std::cmp_equal(a, b);
  } else {
    return a == b;
  }
}

template <typename A, typename B>
bool Less(const A& a, const B& b) {
  if constexpr (std::is_integral_v<A> && std::is_integral_v<B> && !std::is_same_v<A, bool> &&
                !std::is_same_v<B, bool>) {
    return std::cmp_less(a, b);
  } else {
    return a < b;
  }
}

// Not inlined: tests have thousands of checks, and each would be compiled again.
template <typename A, typename B>
[[gnu::noinline]] void Compare(bool holds, const char* expression, const A& a, const B& b,
                               const char* file, int line) {
  if (!holds) {
    Fail(file, line, std::string(expression) + ": " + Show(a) + " against " + Show(b));
  }
}

inline int RunTests(int argc, char** argv) {
  int passed = 0;
  int failed = 0;
  for (const TestCase& test : Tests()) {
    if (argc > 1 && std::strstr(test.name, argv[1]) == nullptr) continue;
    std::string problem;
    try {
      test.run();
    } catch (const CheckFailure& failure) {
      problem = failure.text;
    } catch (const std::exception& error) {
      problem = std::string("exception: ") + error.what();
    }
    if (problem.empty()) {
      ++passed;
    } else {
      ++failed;
      std::cout << "FAILED " << test.name << "\n  " << problem << std::endl;
    }
  }
  if (passed + failed == 0) {
    std::cout << "no test matched" << std::endl;
    ++failed;
  }
  std::cout << passed << " passed, " << failed << " failed" << std::endl;
  return failed == 0 ? 0 : 1;
}

}  // namespace vattention::testing

#define TEST(name)                                                                          \
  static void Test##name();                                                                 \
  static const ::vattention::testing::Registration registration_##name(#name, &Test##name); \
  static void Test##name()

#define TEST_MAIN() \
  int main(int argc, char** argv) { return ::vattention::testing::RunTests(argc, argv); }

#define CHECK(condition)                                                           \
  do {                                                                             \
    if (!(condition)) ::vattention::testing::Fail(__FILE__, __LINE__, #condition); \
  } while (false)

// The operands are arguments of one call: what they point into lives until it has returned.
#define VATTN_TEST_COMPARE(a, b, operation, holds)                                             \
  [&](const auto& vattn_a, const auto& vattn_b) {                                              \
    ::vattention::testing::Compare(holds, #a " " operation " " #b, vattn_a, vattn_b, __FILE__, \
                                   __LINE__);                                                  \
  }((a), (b))

#define CHECK_EQ(a, b) \
  VATTN_TEST_COMPARE(a, b, "==", ::vattention::testing::Equal(vattn_a, vattn_b))
#define CHECK_NE(a, b) \
  VATTN_TEST_COMPARE(a, b, "!=", !::vattention::testing::Equal(vattn_a, vattn_b))
#define CHECK_LT(a, b) VATTN_TEST_COMPARE(a, b, "<", ::vattention::testing::Less(vattn_a, vattn_b))
#define CHECK_LE(a, b) \
  VATTN_TEST_COMPARE(a, b, "<=", !::vattention::testing::Less(vattn_b, vattn_a))
#define CHECK_GT(a, b) VATTN_TEST_COMPARE(a, b, ">", ::vattention::testing::Less(vattn_b, vattn_a))
#define CHECK_GE(a, b) \
  VATTN_TEST_COMPARE(a, b, ">=", !::vattention::testing::Less(vattn_a, vattn_b))
#define CHECK_NEAR(a, b, tolerance)     \
  VATTN_TEST_COMPARE(                   \
      a, b, "within " #tolerance " of", \
      std::abs(static_cast<double>(vattn_a) - static_cast<double>(vattn_b)) <= (tolerance))

#endif  // VATTENTION_NATIVE_TESTS_CHECK_H_
