// Offsets of a sparse file as an arena of pages. An offset costs nothing until memory is committed
// behind it, so every run of pages gets room to grow in: a page that follows another at the next
// offset, mapped at the next address, makes one mapping with it.
//
//   lane 0 (1 GiB)              lane 1                      lane 2
//   [p0][p1][p2]..............  [q0][q1]..................  ....
//               ^ p3 goes here, if it is said to follow p2
#ifndef VATTENTION_NATIVE_MEMORY_HOST_ARENA_H_
#define VATTENTION_NATIVE_MEMORY_HOST_ARENA_H_

#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

#include "memory/driver.h"

namespace vattention {

// Not thread-safe: the owner locks.
class HostArena {
 public:
  // Far larger than any page class, small enough that the file's index stays shallow.
  static constexpr uint64_t kLaneBytes = uint64_t{1} << 30;
  // What a memfd's size may be; lanes are reused, so it is never reached.
  static constexpr uint64_t kFileBytes = uint64_t{1} << 62;

  // Takes `count` adjacent pages of `page_bytes`, right after the page `after` if there is room,
  // else at the start of an empty lane. count x page_bytes must not exceed kLaneBytes.
  PageHandle Take(uint64_t page_bytes, int count, PageHandle after);
  // A taken page's size must be given as it was taken, or as it was split.
  void GiveBack(PageHandle handle, uint64_t page_bytes);
  void Split(PageHandle handle, uint64_t page_bytes, uint64_t part_bytes);
  // Whether exactly this page is taken.
  bool Holds(PageHandle handle, uint64_t page_bytes) const;

 private:
  bool FitsAt(uint64_t offset, uint64_t bytes) const;

  std::map<uint64_t, uint64_t> pages_;              // offset -> bytes, of taken pages
  std::unordered_map<uint64_t, uint64_t> in_lane_;  // lane -> taken pages, lanes in use only
  std::vector<uint64_t> empty_lanes_;
  uint64_t next_lane_ = 0;
};

}  // namespace vattention

#endif  // VATTENTION_NATIVE_MEMORY_HOST_ARENA_H_
