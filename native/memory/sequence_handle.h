// Handles of live sequences: index (low bits) and generation (high bits) in 32 bits, so that a
// batch is a plain array and a handle used after `free` is noticed.
//
//   bit  31                      bits       0
//        [ generation, from 1 on ][  index  ]     bits = what max_sequences - 1 needs, at least 1
//
// Generation 0 is never handed out, so 0 is never a sequence. An index whose generation would wrap
// is retired: no handle ever names two sequences.
#ifndef VATTENTION_NATIVE_MEMORY_SEQUENCE_HANDLE_H_
#define VATTENTION_NATIVE_MEMORY_SEQUENCE_HANDLE_H_

#include <bit>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "memory/invariant.h"
#include "vattention/kv_cache.h"

namespace vattention {

// Hands out and takes back handles. Not thread-safe: the owner locks.
class SequenceHandles {
 public:
  // `max_sequences` in [1, 2^24]: at least 8 bits are left for generations.
  explicit SequenceHandles(uint32_t max_sequences)
      : bits_(BitsFor(max_sequences)), generation_(max_sequences, 1), live_(max_sequences, 0) {
    VATTN_CHECK(max_sequences >= 1 && max_sequences <= kMaxSequences);
    for (uint32_t index = 0; index < max_sequences; ++index) free_.push_back(index);
  }

  static constexpr uint32_t kMaxSequences = 1u << 24;
  static constexpr uint32_t kNoIndex = ~uint32_t{0};

  static uint32_t BitsFor(uint32_t max_sequences) {
    const auto width = static_cast<uint32_t>(std::bit_width(max_sequences - 1));
    return width == 0 ? 1 : width;
  }

  uint32_t bits() const { return bits_; }
  uint32_t live_count() const { return live_count_; }
  uint32_t capacity() const { return static_cast<uint32_t>(generation_.size()); }
  // Indices whose generations are used up.
  uint32_t retired_count() const {
    return capacity() - live_count_ - static_cast<uint32_t>(free_.size());
  }

  // The longest unused index first, so that generations last as long as they can. nullopt when
  // every index is live or retired.
  std::optional<vattn_sequence> Allocate() {
    if (free_.empty()) return std::nullopt;
    const uint32_t index = free_.front();
    free_.pop_front();
    live_[index] = 1;
    ++live_count_;
    return HandleOf(index);
  }

  // The index of a live handle, else kNoIndex.
  uint32_t Find(vattn_sequence handle) const {
    const uint32_t index = handle & ((1u << bits_) - 1);
    if (index >= generation_.size() || live_[index] == 0) return kNoIndex;
    return generation_[index] == handle >> bits_ ? index : kNoIndex;
  }

  bool IsLive(uint32_t index) const { return live_[index] != 0; }
  vattn_sequence HandleOf(uint32_t index) const { return generation_[index] << bits_ | index; }

  // `index` must be live. Its handle is stale from now on.
  void Free(uint32_t index) {
    VATTN_CHECK(index < live_.size() && live_[index] != 0);
    live_[index] = 0;
    --live_count_;
    if (generation_[index] == ~uint32_t{0} >> bits_) return;  // retired
    ++generation_[index];
    free_.push_back(index);
  }

 private:
  uint32_t bits_;
  uint32_t live_count_ = 0;
  std::vector<uint32_t> generation_;  // [max_sequences], from 1 on
  std::vector<uint8_t> live_;         // [max_sequences]
  std::deque<uint32_t> free_;
};

}  // namespace vattention

#endif  // VATTENTION_NATIVE_MEMORY_SEQUENCE_HANDLE_H_
