#include "strided_copy.h"

#include <cerrno>
#include <cstring>

#ifdef __linux__
#include <sys/uio.h>
#include <unistd.h>
#endif

namespace vattention::core {
namespace {

// Moves runs of bytes: directly, or collected and handed to the kernel many at a time.
class Mover {
 public:
  Mover(uint8_t* dense, CopyDirection direction, bool direct)
      : dense_(dense), direction_(direction), direct_(direct) {}

  // The next `bytes` of dense memory belong to those at `address`. Returns 0 or an errno.
  int Move(uint8_t* address, size_t bytes) {
    if (direct_) {
      if (direction_ == CopyDirection::kFromTensor) {
        std::memcpy(dense_, address, bytes);
      } else {
        std::memcpy(address, dense_, bytes);
      }
      dense_ += bytes;
      return 0;
    }
#ifdef __linux__
    runs_[count_] = {address, bytes};
    bytes_ += bytes;
    return ++count_ == kMostRuns ? Flush() : 0;
#else
    direct_ = true;
    return Move(address, bytes);
#endif
  }

  int Flush() {
#ifdef __linux__
    if (count_ == 0) return 0;
    iovec local = {dense_, bytes_};
    const auto call =
        direction_ == CopyDirection::kFromTensor ? process_vm_readv : process_vm_writev;
    const ssize_t moved = call(getpid(), &local, 1, runs_, count_, 0);
    int failure = 0;
    if (moved < 0 && (errno == EPERM || errno == ENOSYS)) {
      failure = FlushDirectly();  // a sandbox forbids the call
    } else if (moved < 0) {
      failure = errno;
    } else if (static_cast<size_t>(moved) != bytes_) {
      failure = EFAULT;
    }
    dense_ += bytes_;
    bytes_ = 0;
    count_ = 0;
    return failure;
#else
    return 0;
#endif
  }

 private:
#ifdef __linux__
  int FlushDirectly() {
    uint8_t* dense = dense_;
    for (size_t i = 0; i < count_; ++i) {
      if (direction_ == CopyDirection::kFromTensor) {
        std::memcpy(dense, runs_[i].iov_base, runs_[i].iov_len);
      } else {
        std::memcpy(runs_[i].iov_base, dense, runs_[i].iov_len);
      }
      dense += runs_[i].iov_len;
    }
    return 0;
  }

  static constexpr size_t kMostRuns = 512;  // the kernel takes 1024
  iovec runs_[kMostRuns];
  size_t count_ = 0;
  size_t bytes_ = 0;  // of runs_
#endif

  uint8_t* dense_;
  const CopyDirection direction_;
  bool direct_;
};

}  // namespace

int CopyStrided(const vattn_tensor& tensor, size_t element_bytes, uint8_t* dense,
                CopyDirection direction, bool direct) {
  // Inner dimensions that lie densely are one run.
  int32_t outer = tensor.rank;
  size_t run = element_bytes;
  while (outer > 0 && (tensor.shape[outer - 1] == 1 ||
                       static_cast<size_t>(tensor.stride[outer - 1]) * element_bytes == run)) {
    run *= static_cast<size_t>(tensor.shape[outer - 1]);
    --outer;
  }
  Mover mover(dense, direction, direct);
  int64_t index[VATTN_MAX_RANK] = {};
  auto* address = static_cast<uint8_t*>(tensor.data);
  for (;;) {
    if (const int failure = mover.Move(address, run)) return failure;
    int32_t dim = outer - 1;
    for (; dim >= 0; --dim) {
      const int64_t stride = tensor.stride[dim] * static_cast<int64_t>(element_bytes);
      if (++index[dim] < tensor.shape[dim]) {
        address += stride;
        break;
      }
      address -= stride * (tensor.shape[dim] - 1);
      index[dim] = 0;
    }
    if (dim < 0) return mover.Flush();
  }
}

}  // namespace vattention::core
