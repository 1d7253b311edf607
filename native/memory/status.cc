#include "memory/status.h"

#include <algorithm>
#include <exception>
#include <new>

namespace vattention {
namespace {

// Copies as much of `text` as fits, always terminated, never cutting a UTF-8 character in two.
void CopyText(const char* text, size_t length, char* to, size_t capacity) {
  size_t bytes = std::min(length, capacity - 1);
  if (bytes < length) {
    while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  }
  std::memcpy(to, text, bytes);
  to[bytes] = '\0';
}

}  // namespace

void MessagePart::AppendTo(std::string* message) const {
  if (text_.data() != nullptr) {
    message->append(text_);
    return;
  }
  if (negative_) message->push_back('-');
  message->append(std::to_string(digits_));
}

Status Status::Make(vattn_status code, std::initializer_list<MessagePart> parts) {
  Status status;
  status.code_ = code;
  for (const MessagePart& part : parts) part.AppendTo(&status.message_);
  return status;
}

Status Status::OfDriver(const DriverStatus& driver, const std::string& doing) {
  if (driver.status == VATTN_BUSY) {
    return Error(VATTN_BUSY, doing,
                 " is not possible while a stream of the device is captured into a graph; end the "
                 "capture first.");
  }
  Status status =
      Error(driver.status, doing, " failed: ", driver.call, " returned code ", driver.code);
  if (driver.code > 0 && driver.code < 4096) {
    status.message_ += std::string(" (") + std::strerror(static_cast<int>(driver.code)) + ")";
  }
  status.message_ += ".";
  status.driver_call_ = driver.call;
  status.driver_code_ = driver.code;
  return status;
}

vattn_status Report(const Status& status, vattn_error* error) {
  if (error == nullptr) return status.code();
  vattn_error record;
  std::memset(&record, 0, sizeof(record));
  record.status = status.code();
  record.driver_code = status.driver_code();
  CopyText(status.driver_call(), std::strlen(status.driver_call()), record.driver_call,
           sizeof(record.driver_call));
  CopyText(status.message().data(), status.message().size(), record.message,
           sizeof(record.message));
  WriteSized(record, error);
  return status.code();
}

vattn_status ReportException(vattn_error* error) noexcept {
  vattn_status code = VATTN_INTERNAL;
  const char* text = "an unknown exception was caught at the C ABI; please report it.";
  std::string what;
  try {
    try {
      throw;
    } catch (const std::bad_alloc&) {
      code = VATTN_OUT_OF_MEMORY;
      text = "the process has no memory left for bookkeeping; free memory and try again.";
    } catch (const std::exception& caught) {
      what = caught.what();
      text = what.c_str();
    }
    return Report(Status::Error(code, text), error);
  } catch (...) {
    return code;
  }
}

}  // namespace vattention
