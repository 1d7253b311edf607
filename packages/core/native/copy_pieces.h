// A copy between two strided tensors as calls of copy engines: planes of rows of bytes.
#ifndef VATTENTION_CORE_COPY_PIECES_H_
#define VATTENTION_CORE_COPY_PIECES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "vattention/device.h"

namespace vattention::core {

// Distances in bytes. `rows` and `planes` are 1 where there is nothing to repeat.
struct CopyPiece {
  size_t bytes = 0;  // of a row
  size_t rows = 1;
  size_t planes = 1;
  size_t from_pitch = 0;  // from a row to the next
  size_t to_pitch = 0;
  size_t from_height = 0;  // rows that fit between two planes
  size_t to_height = 0;
};

// Calls visit(from, to), byte offsets from the tensors' first elements, for every place that
// `piece()` is to be copied at. Both tensors have the same shape, none of it 0.
class CopyPieces {
 public:
  CopyPieces(const vattn_tensor& from, const vattn_tensor& to, size_t element_bytes) {
    for (int32_t i = 0; i < from.rank; ++i) {
      if (from.shape[i] == 1) continue;
      dims_.push_back({static_cast<size_t>(from.shape[i]),
                       static_cast<size_t>(from.stride[i]) * element_bytes,
                       static_cast<size_t>(to.stride[i]) * element_bytes});
    }
    // The order of elements does not matter as long as it is the same on both sides.
    std::stable_sort(dims_.begin(), dims_.end(),
                     [](const Dim& a, const Dim& b) { return a.to > b.to; });
    piece_.bytes = element_bytes;
    while (!dims_.empty() && dims_.back().from == piece_.bytes && dims_.back().to == piece_.bytes) {
      piece_.bytes *= dims_.back().count;
      dims_.pop_back();
    }
    for (size_t i = dims_.size(); i-- > 1;) {
      if (dims_[i - 1].from != dims_[i].from * dims_[i].count ||
          dims_[i - 1].to != dims_[i].to * dims_[i].count) {
        continue;
      }
      dims_[i].count *= dims_[i - 1].count;
      dims_.erase(dims_.begin() + static_cast<std::ptrdiff_t>(i) - 1);
    }
    TakeRows();
    TakePlanes();
  }

  const CopyPiece& piece() const { return piece_; }

  // Stops at the first result that is not 0, and returns it.
  template <class Visit>
  int ForEach(const Visit& visit) const {
    std::vector<size_t> index(dims_.size(), 0);
    size_t from = 0;
    size_t to = 0;
    for (;;) {
      if (const int failure = visit(from, to)) return failure;
      size_t i = dims_.size();
      for (; i > 0; --i) {
        const Dim& dim = dims_[i - 1];
        from += dim.from;
        to += dim.to;
        if (++index[i - 1] < dim.count) break;
        from -= dim.from * dim.count;
        to -= dim.to * dim.count;
        index[i - 1] = 0;
      }
      if (i == 0) return 0;
    }
  }

 private:
  struct Dim {
    size_t count;
    size_t from;
    size_t to;
  };
  static constexpr size_t kMost = (size_t{1} << 31) - 1;  // pitches and heights are 31 bits wide

  void TakeRows() {
    if (dims_.empty() || piece_.bytes > kMost) return;
    const Dim& dim = dims_.back();
    if (std::min(dim.from, dim.to) < piece_.bytes || std::max(dim.from, dim.to) > kMost) return;
    piece_.rows = dim.count;
    piece_.from_pitch = dim.from;
    piece_.to_pitch = dim.to;
    dims_.pop_back();
  }
  void TakePlanes() {
    if (piece_.rows == 1 || dims_.empty()) return;
    const Dim& dim = dims_.back();
    const auto height = [&](size_t distance, size_t pitch) {
      return distance % pitch == 0 ? distance / pitch : 0;
    };
    const size_t from = height(dim.from, piece_.from_pitch);
    const size_t to = height(dim.to, piece_.to_pitch);
    if (std::min(from, to) < piece_.rows || std::max(from, to) > kMost) return;
    piece_.planes = dim.count;
    piece_.from_height = from;
    piece_.to_height = to;
    dims_.pop_back();
  }

  std::vector<Dim> dims_;  // outer first
  CopyPiece piece_;
};

}  // namespace vattention::core

#endif  // VATTENTION_CORE_COPY_PIECES_H_
