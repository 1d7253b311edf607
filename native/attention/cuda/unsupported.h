// What kernels cannot be asked for, found where no status can be returned.
#ifndef VATTENTION_ATTENTION_CUDA_UNSUPPORTED_H_
#define VATTENTION_ATTENTION_CUDA_UNSUPPORTED_H_

#include <stdexcept>

namespace vattention::attention::cuda {

// Leaves the C table as VATTN_UNSUPPORTED (cuda_guard.h). The text says what was expected and what
// to do.
class Unsupported : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_UNSUPPORTED_H_
