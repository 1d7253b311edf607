// Assertion levels of the native libraries.
//
//   VATTN_CHECK(condition)   always on, for what would corrupt memory. A broken one is our bug, not
//                            the caller's: it throws InternalError, which the C ABI turns into
//                            VATTN_INTERNAL. Nothing prints and nothing ends the process.
//   VATTN_DCHECK(condition)  in debug builds only, for preconditions.
#ifndef VATTENTION_NATIVE_MEMORY_INVARIANT_H_
#define VATTENTION_NATIVE_MEMORY_INVARIANT_H_

#include <stdexcept>
#include <string>

namespace vattention {

// A broken invariant.
class InternalError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

// Not inlined: there are hundreds of checks.
[[noreturn, gnu::noinline, gnu::cold]] inline void ThrowInternalError(const char* condition,
                                                                      const char* file, int line) {
  throw InternalError(std::string("invariant broken: ") + condition + " (" + file + ":" +
                      std::to_string(line) + "). This is a bug of vAttention: please report it.");
}

}  // namespace vattention

#define VATTN_CHECK(condition)  \
  (static_cast<bool>(condition) \
       ? void()                 \
       : ::vattention::ThrowInternalError(#condition, __FILE__, __LINE__))

#ifdef NDEBUG
#define VATTN_DCHECK(condition) static_cast<void>(0)
#else
#define VATTN_DCHECK(condition) VATTN_CHECK(condition)
#endif

#endif  // VATTENTION_NATIVE_MEMORY_INVARIANT_H_
