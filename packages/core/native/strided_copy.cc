#include "strided_copy.h"

#include <cerrno>
#include <cstring>
#include <vector>

#ifdef __linux__
#include <sys/uio.h>
#include <unistd.h>
#endif

#include "strided_runs.h"

namespace vattention::core {
namespace {

constexpr size_t kLongRun = 256;   // bytes
constexpr size_t kMostExcess = 8;  // bytes that travel, for one that is asked for

size_t CountElements(const vattn_tensor& tensor) {
  size_t count = 1;
  for (int32_t dim = 0; dim < tensor.rank; ++dim) count *= static_cast<size_t>(tensor.shape[dim]);
  return count;
}

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

// One run from end to end. Returns 0 or an errno.
int MoveSpan(uint8_t* address, size_t bytes, uint8_t* dense, CopyDirection direction) {
  Mover mover(dense, direction, false);
  const int failure = mover.Move(address, bytes);
  return failure != 0 ? failure : mover.Flush();
}

// Bytes from the first element to the end of the last.
size_t SpanBytes(const vattn_tensor& tensor, size_t element_bytes) {
  int64_t last = 0;
  for (int32_t dim = 0; dim < tensor.rank; ++dim) {
    last += (tensor.shape[dim] - 1) * tensor.stride[dim];
  }
  return (static_cast<size_t>(last) + 1) * element_bytes;
}

// Whether the elements are those of a dense tensor in another order: none between them is left out.
bool IsPermutation(const vattn_tensor& tensor) {
  int64_t expected = 1;  // stride of the next dimension, from the innermost on
  uint32_t found = 0;
  for (bool progress = true; progress;) {
    progress = false;
    for (int32_t dim = 0; dim < tensor.rank; ++dim) {
      const bool fits = tensor.shape[dim] == 1 || tensor.stride[dim] == expected;
      if ((found >> dim & 1) != 0 || !fits) continue;
      found |= 1u << dim;
      expected *= tensor.shape[dim];
      progress = true;
    }
  }
  return found == (1u << tensor.rank) - 1;
}

}  // namespace

int CopyStrided(const vattn_tensor& tensor, size_t element_bytes, uint8_t* dense,
                CopyDirection direction, bool direct) {
  const auto [outer, run] = RunsOf(tensor, element_bytes);
  auto* const data = static_cast<uint8_t*>(tensor.data);
  const size_t span = SpanBytes(tensor, element_bytes);
  // The kernel looks pages up run by run, which takes a hundred times as long as a short run
  // itself. So the whole span travels, where that is not much more than what is asked for and, for
  // a write, nothing but that.
  const size_t count = CountElements(tensor) * element_bytes;
  const bool at_once = !direct && outer > 0 && run < kLongRun;
  if (at_once && direction == CopyDirection::kFromTensor && span <= kMostExcess * count) {
    std::vector<uint8_t> all(span);
    if (MoveSpan(data, span, all.data(), direction) == 0) {
      return ForEachRun(tensor, element_bytes, outer, all.data(), [&](const uint8_t* from) {
        std::memcpy(dense, from, run);
        dense += run;
        return 0;
      });
    }
    // What lies between need not be there.
  }
  if (at_once && direction == CopyDirection::kToTensor && IsPermutation(tensor)) {
    std::vector<uint8_t> all(span);
    ForEachRun(tensor, element_bytes, outer, all.data(), [&](uint8_t* to) {
      std::memcpy(to, dense, run);
      dense += run;
      return 0;
    });
    return MoveSpan(data, span, all.data(), direction);
  }
  Mover mover(dense, direction, direct);
  const int failure = ForEachRun(tensor, element_bytes, outer, data,
                                 [&](uint8_t* address) { return mover.Move(address, run); });
  return failure != 0 ? failure : mover.Flush();
}

}  // namespace vattention::core
