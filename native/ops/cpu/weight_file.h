// A file that holds weights, read piece by piece. A file that is shorter than it should be is an
// error of the call, never a signal.
#ifndef VATTENTION_OPS_CPU_WEIGHT_FILE_H_
#define VATTENTION_OPS_CPU_WEIGHT_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "ops/cpu/status.h"

namespace vattention::ops {

class WeightFile {
 public:
  WeightFile() = default;
  ~WeightFile();
  WeightFile(const WeightFile&) = delete;
  WeightFile& operator=(const WeightFile&) = delete;

  // Called once.
  Status Open(const std::string& path);
  uint64_t bytes() const { return bytes_; }
  // Fills `to` with bytes [offset, offset + bytes). Any thread.
  Status Read(uint64_t offset, size_t bytes, void* to) const;

 private:
  std::string path_;
  int descriptor_ = -1;
  uint64_t bytes_ = 0;
};

}  // namespace vattention::ops

#endif  // VATTENTION_OPS_CPU_WEIGHT_FILE_H_
