// All pages of a cache: their records, the exact bytes in each state, and the free ones by class.
#ifndef VATTENTION_NATIVE_MEMORY_PAGE_POOL_H_
#define VATTENTION_NATIVE_MEMORY_PAGE_POOL_H_

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "memory/invariant.h"
#include "memory/page.h"

namespace vattention::memory {

// Not thread-safe: the owner locks. Makes no driver calls.
class PagePool {
 public:
  // `classes`: sizes, ascending. `zero_filled`: new pages hold zeros, else anything.
  explicit PagePool(std::vector<uint64_t> classes, bool zero_filled = true);

  const Page& page(PageId id) const { return pages_[id]; }
  Page& mutable_page(PageId id) { return pages_[id]; }  // not for reference counts
  size_t records() const { return pages_.size(); }

  // A created page enters as `live` by the caller who is going to map it, or as free.
  PageId AddTaken(PageHandle handle, uint64_t bytes);
  PageId AddFree(PageHandle handle, uint64_t bytes);

  // Takes a free page of exactly `bytes`, best the one whose handle is `follows`, so that it merges
  // with the page before it. nullopt when there is none. It counts as live then.
  std::optional<PageId> Take(uint64_t bytes, PageHandle follows);
  // Whether the free page with handle `follows` exists in class `bytes`.
  bool HasFree(uint64_t bytes, PageHandle follows) const;
  // The smallest free page of more than `bytes`, still free.
  std::optional<PageId> FindLarger(uint64_t bytes) const;
  // A free page of the largest (or smallest) class that has one, still free.
  std::optional<PageId> FindFree() const;
  // Free pages that make up exactly handles [handle, handle + bytes), in order; empty when they do
  // not.
  std::vector<PageId> FindFreeRun(PageHandle handle, uint64_t bytes) const;
  bool IsFree(PageId id) const {
    return pages_[id].bytes != 0 && pages_[id].state() == PageState::kFree;
  }
  // Takes this free page.
  void TakeThis(PageId id);
  // Forgets a free page, which its caller releases.
  void Remove(PageId id);
  // Cuts a page into parts; the first keeps the id, the ids of the others are appended to *rest.
  // The page must be free or have exactly one mapping. Parts inherit its state.
  void Split(PageId id, uint64_t part_bytes, std::vector<PageId>* rest);

  // Reference counts, with all totals. Dropping the last makes the page free.
  void Add(PageId id, uint32_t Page::* count) {
    Page& page = pages_[id];
    const Before before = Leave(page);
    ++(page.*count);
    Enter(id, before);
  }
  void Drop(PageId id, uint32_t Page::* count) {
    Page& page = pages_[id];
    VATTN_CHECK(page.*count > 0);
    const Before before = Leave(page);
    --(page.*count);
    if (page.spans + page.pins == 0) page.protected_end = 0;
    Enter(id, before);
  }
  // One owner to another in one go, so that the page is not free in between.
  void Move(PageId id, uint32_t Page::* from, uint32_t Page::* to) {
    Page& page = pages_[id];
    VATTN_CHECK(page.*from > 0);
    const Before before = Leave(page);
    --(page.*from);
    ++(page.*to);
    if (page.spans + page.pins == 0) page.protected_end = 0;
    Enter(id, before);
  }
  // `fenced` counts a part of `parked` and changes no state.
  void AddFenced(PageId id) { ++pages_[id].fenced; }
  void DropFenced(PageId id) {
    VATTN_CHECK(pages_[id].fenced > 0);
    --pages_[id].fenced;
  }
  void Protect(PageId id, uint64_t bytes) {
    if (bytes > pages_[id].protected_end) pages_[id].protected_end = static_cast<uint32_t>(bytes);
  }
  void MarkDirty(PageId id, uint64_t bytes) {
    if (bytes > pages_[id].dirty_end) pages_[id].dirty_end = static_cast<uint32_t>(bytes);
  }
  void MarkClean(PageId id) { pages_[id].dirty_end = 0; }

  uint64_t total_bytes() const { return total_bytes_; }
  uint64_t bytes_in(PageState state) const { return by_state_[static_cast<size_t>(state)]; }
  uint64_t free_bytes() const { return bytes_in(PageState::kFree); }
  // Mapped by more than one live sequence, counted once.
  uint64_t shared_bytes() const { return shared_bytes_; }
  // Free pages of one class.
  uint64_t FreeCount(uint64_t bytes) const { return FreeList(bytes).size(); }

  // A number that no page's mark has.
  uint32_t NextMark() { return ++mark_; }

  // Recomputes everything from the records. What is wrong first; nullptr when nothing is.
  const char* FindInconsistency() const;

 private:
  struct Before {
    PageState state;
    bool shared;
  };
  Before Leave(const Page& page) const { return {page.state(), page.live > 1}; }
  void Enter(PageId id, Before before) {
    const Page& page = pages_[id];
    const PageState now = page.state();
    if (now != before.state) {
      by_state_[static_cast<size_t>(before.state)] -= page.bytes;
      by_state_[static_cast<size_t>(now)] += page.bytes;
      if (now == PageState::kFree) {
        FreeList(page.bytes).emplace(page.handle, id);
      } else if (before.state == PageState::kFree) {
        FreeList(page.bytes).erase(page.handle);
      }
    }
    const bool shared = page.live > 1;
    if (shared && !before.shared) shared_bytes_ += page.bytes;
    if (!shared && before.shared) shared_bytes_ -= page.bytes;
  }
  PageId NewRecord(PageHandle handle, uint64_t bytes);
  std::map<PageHandle, PageId>& FreeList(uint64_t bytes);
  const std::map<PageHandle, PageId>& FreeList(uint64_t bytes) const;

  const std::vector<uint64_t> classes_;
  const bool zero_filled_;
  std::vector<Page> pages_;
  std::vector<PageId> unused_;                      // records without a page
  std::vector<std::map<PageHandle, PageId>> free_;  // [classes], in the order of handles
  std::array<uint64_t, kPageStates> by_state_{};
  uint64_t total_bytes_ = 0;
  uint64_t shared_bytes_ = 0;
  uint32_t mark_ = 0;
};

}  // namespace vattention::memory

#endif  // VATTENTION_NATIVE_MEMORY_PAGE_POOL_H_
