#include "memory/host_arena.h"

#include "memory/invariant.h"

namespace vattention {

bool HostArena::FitsAt(uint64_t offset, uint64_t bytes) const {
  if (offset / kLaneBytes != (offset + bytes - 1) / kLaneBytes) return false;
  auto next = pages_.lower_bound(offset);
  return next == pages_.end() || next->first >= offset + bytes;
}

PageHandle HostArena::Take(uint64_t page_bytes, int count, PageHandle after) {
  const uint64_t bytes = page_bytes * static_cast<uint64_t>(count);
  VATTN_CHECK(count > 0 && page_bytes > 0 && bytes <= kLaneBytes);
  uint64_t offset = kNoPage;
  if (after != kNoPage) {
    auto found = pages_.find(after);
    if (found != pages_.end()) {
      const uint64_t end = found->first + found->second;
      if (end % kLaneBytes != 0 && FitsAt(end, bytes)) offset = end;
    }
  }
  if (offset == kNoPage) {
    if (empty_lanes_.empty()) {
      VATTN_CHECK(next_lane_ < kFileBytes / kLaneBytes);
      empty_lanes_.push_back(next_lane_++);
    }
    offset = empty_lanes_.back() * kLaneBytes;
    empty_lanes_.pop_back();
  }
  for (int i = 0; i < count; ++i) {
    pages_.emplace(offset + static_cast<uint64_t>(i) * page_bytes, page_bytes);
  }
  in_lane_[offset / kLaneBytes] += static_cast<uint64_t>(count);
  return offset;
}

void HostArena::GiveBack(PageHandle handle, uint64_t page_bytes) {
  auto found = pages_.find(handle);
  VATTN_CHECK(found != pages_.end() && found->second == page_bytes);
  pages_.erase(found);
  auto lane = in_lane_.find(handle / kLaneBytes);
  if (--lane->second == 0) {
    empty_lanes_.push_back(lane->first);
    in_lane_.erase(lane);
  }
}

void HostArena::Split(PageHandle handle, uint64_t page_bytes, uint64_t part_bytes) {
  auto found = pages_.find(handle);
  VATTN_CHECK(found != pages_.end() && found->second == page_bytes && part_bytes > 0 &&
              page_bytes % part_bytes == 0);
  found->second = part_bytes;
  for (uint64_t at = part_bytes; at < page_bytes; at += part_bytes) {
    pages_.emplace(handle + at, part_bytes);
  }
  in_lane_[handle / kLaneBytes] += page_bytes / part_bytes - 1;
}

bool HostArena::Holds(PageHandle handle, uint64_t page_bytes) const {
  auto found = pages_.find(handle);
  return found != pages_.end() && found->second == page_bytes;
}

}  // namespace vattention
