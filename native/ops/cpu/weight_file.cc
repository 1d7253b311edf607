#include "ops/cpu/weight_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstring>

namespace vattention::ops {
namespace {

Status CallFailed(const char* call, const std::string& path) {
  const int code = errno;
  Status status =
      Error(VATTN_DEVICE_ERROR, "%s failed for %s: %s.", call, path.c_str(), std::strerror(code));
  status.call = call;
  status.call_code = code;
  return status;
}

}  // namespace

WeightFile::~WeightFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

Status WeightFile::Open(const std::string& path) {
  path_ = path;
  descriptor_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) return CallFailed("open", path);
  struct stat information;
  if (fstat(descriptor_, &information) != 0) return CallFailed("fstat", path);
  bytes_ = static_cast<uint64_t>(information.st_size);
  return {};
}

Status WeightFile::Read(uint64_t offset, size_t bytes, void* to) const {
  auto* next = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t got = pread(descriptor_, next, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return CallFailed("pread", path_);
    if (got == 0) {
      return Error(VATTN_INVALID_ARGUMENT,
                   "%s ends at byte %" PRIu64 ", %zu bytes before it should. Download it again.",
                   path_.c_str(), offset, bytes);
    }
    next += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<size_t>(got);
  }
  return {};
}

}  // namespace vattention::ops
