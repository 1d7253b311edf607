// What is mapped in one tensor of one slot: pages by their offset, and how many mappings of the
// system they take.
#ifndef VATTENTION_NATIVE_MEMORY_TENSOR_MAP_H_
#define VATTENTION_NATIVE_MEMORY_TENSOR_MAP_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "memory/invariant.h"
#include "memory/page.h"

namespace vattention::memory {

// One mapped page. Handle and size are copies of the page's own.
struct MapEntry {
  uint64_t offset;  // bytes from the start of the tensor in its slot
  PageHandle handle;
  uint32_t bytes;
  PageId page;
  uint64_t end() const { return offset + bytes; }
};

class TensorMap {
 public:
  const std::vector<MapEntry>& entries() const { return entries_; }
  bool empty() const { return entries_.empty(); }
  // Past the last mapped byte.
  uint64_t end() const { return entries_.empty() ? 0 : entries_.back().end(); }

  // Index of the first entry that ends after `offset`: the one that covers it, if any does.
  size_t FirstAfter(uint64_t offset) const {
    auto found =
        std::lower_bound(entries_.begin(), entries_.end(), offset,
                         [](const MapEntry& entry, uint64_t at) { return entry.end() <= at; });
    return static_cast<size_t>(found - entries_.begin());
  }

  // Mappings that the entries take of the process's budget. With `runs` (adjacent handles at
  // adjacent addresses merge) also the inaccessible gaps around them, since those are mappings too.
  uint64_t Mappings(bool runs) const { return runs ? runs_ + (empty() ? 0 : 1) : entries_.size(); }

  // `entry` overlaps no other.
  void Insert(const MapEntry& entry) {
    const size_t i = FirstAfter(entry.offset);
    VATTN_CHECK(i == entries_.size() || entries_[i].offset >= entry.end());
    if (i < entries_.size()) runs_ -= Cost(i);
    entries_.insert(entries_.begin() + static_cast<std::ptrdiff_t>(i), entry);
    runs_ += Cost(i);
    if (i + 1 < entries_.size()) runs_ += Cost(i + 1);
  }
  // Entries [first, last).
  void Erase(size_t first, size_t last) {
    if (first >= last) return;
    for (size_t i = first; i <= last && i < entries_.size(); ++i) runs_ -= Cost(i);
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(first),
                   entries_.begin() + static_cast<std::ptrdiff_t>(last));
    if (first < entries_.size()) runs_ += Cost(first);
  }
  // Another page of the same size at the same place.
  void Replace(size_t i, PageHandle handle, PageId page) {
    runs_ -= Cost(i);
    if (i + 1 < entries_.size()) runs_ -= Cost(i + 1);
    entries_[i].handle = handle;
    entries_[i].page = page;
    runs_ += Cost(i);
    if (i + 1 < entries_.size()) runs_ += Cost(i + 1);
  }

 private:
  // Mappings that begin with entry i, and the gap before it.
  uint64_t Cost(size_t i) const {
    if (i == 0) return 1;
    const MapEntry& before = entries_[i - 1];
    if (before.end() != entries_[i].offset) return 2;
    return before.handle + before.bytes == entries_[i].handle ? 0 : 1;
  }

  std::vector<MapEntry> entries_;  // by offset, disjoint
  uint64_t runs_ = 0;
};

}  // namespace vattention::memory

#endif  // VATTENTION_NATIVE_MEMORY_TENSOR_MAP_H_
