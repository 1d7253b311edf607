// A vattn_status with what a user needs to act on it: expected, received, what to do.
#ifndef VATTENTION_NATIVE_MEMORY_STATUS_H_
#define VATTENTION_NATIVE_MEMORY_STATUS_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "memory/driver.h"
#include "vattention/status.h"

namespace vattention {

// A piece of a message: text or a whole number. Messages are put together out of line, since there
// are many of them and none is on a fast path.
class MessagePart {
 public:
  MessagePart(const char* text) : text_(text) {}         // NOLINT: parts convert
  MessagePart(std::string_view text) : text_(text) {}    // NOLINT
  MessagePart(const std::string& text) : text_(text) {}  // NOLINT
  template <std::signed_integral Number>
  MessagePart(Number number)  // NOLINT
      : negative_(number < 0),
        digits_(negative_ ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number)) {}
  template <std::unsigned_integral Number>
  MessagePart(Number number) : digits_(number) {}  // NOLINT

  void AppendTo(std::string* message) const;

 private:
  std::string_view text_;
  bool negative_ = false;
  uint64_t digits_ = 0;
};

class [[nodiscard]] Status {
 public:
  Status() = default;

  // The parts make the message, one after the other.
  template <typename... Parts>
  static Status Error(vattn_status code, const Parts&... parts) {
    return Make(code, {MessagePart(parts)...});
  }
  template <typename... Parts>
  static Status InvalidArgument(const Parts&... parts) {
    return Error(VATTN_INVALID_ARGUMENT, parts...);
  }
  // A failed driver call, with what was being done ("mapping 4 pages").
  static Status OfDriver(const DriverStatus& driver, const std::string& doing);

  bool ok() const { return code_ == VATTN_OK; }
  vattn_status code() const { return code_; }
  const std::string& message() const { return message_; }
  const char* driver_call() const { return driver_call_; }
  int64_t driver_code() const { return driver_code_; }

 private:
  static Status Make(vattn_status code, std::initializer_list<MessagePart> parts);

  vattn_status code_ = VATTN_OK;
  std::string message_;
  const char* driver_call_ = "";  // static string
  int64_t driver_code_ = 0;
};

// Fills the caller's record, as far as its `size` reaches, and returns the code. `error` may be
// NULL. A record is also filled on success: status VATTN_OK, empty texts.
vattn_status Report(const Status& status, vattn_error* error);

// Structs of the C ABI start with their size: these two read and write no more than it covers.
// Fields that an older caller does not know are zero.
template <typename T>
T ReadSized(const T* from) {
  T value;
  std::memset(&value, 0, sizeof(value));
  const size_t bytes = from->size < sizeof(T) ? from->size : sizeof(T);
  std::memcpy(&value, from, bytes);
  value.size = sizeof(T);
  return value;
}
template <typename T>
void WriteSized(const T& value, T* to) {
  const uint32_t size = to->size;
  const size_t bytes = size < sizeof(T) ? size : sizeof(T);
  std::memcpy(to, &value, bytes);
  if (size >= sizeof(size)) to->size = size;
}

// A struct that a caller without its `size` filled in would get nothing in.
template <typename T>
Status CheckPlace(const T* place, const char* name) {
  if (place != nullptr && place->size >= sizeof(T)) return {};
  return Status::InvalidArgument("expected a ", name, " with a size of at least ", sizeof(T),
                                 ", received ", place == nullptr ? uint32_t{0} : place->size, ".");
}

// Calls `body`, which returns a Status, and lets no exception out: a broken invariant becomes
// VATTN_INTERNAL, a failed allocation of our own bookkeeping VATTN_OUT_OF_MEMORY.
vattn_status ReportException(vattn_error* error) noexcept;
template <typename Body>
vattn_status Guard(vattn_error* error, Body&& body) noexcept {
  try {
    return Report(std::forward<Body>(body)(), error);
  } catch (...) {
    return ReportException(error);
  }
}

}  // namespace vattention

#endif  // VATTENTION_NATIVE_MEMORY_STATUS_H_
