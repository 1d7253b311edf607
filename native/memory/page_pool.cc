#include "memory/page_pool.h"

#include <algorithm>
#include <utility>

namespace vattention::memory {

PagePool::PagePool(std::vector<uint64_t> classes, bool zero_filled)
    : classes_(std::move(classes)), zero_filled_(zero_filled), free_(classes_.size()) {}

std::map<PageHandle, PageId>& PagePool::FreeList(uint64_t bytes) {
  return const_cast<std::map<PageHandle, PageId>&>(std::as_const(*this).FreeList(bytes));
}

const std::map<PageHandle, PageId>& PagePool::FreeList(uint64_t bytes) const {
  const auto found = std::find(classes_.begin(), classes_.end(), bytes);
  VATTN_CHECK(found != classes_.end());
  return free_[static_cast<size_t>(found - classes_.begin())];
}

PageId PagePool::NewRecord(PageHandle handle, uint64_t bytes) {
  PageId id;
  if (unused_.empty()) {
    id = static_cast<PageId>(pages_.size());
    pages_.emplace_back();
  } else {
    id = unused_.back();
    unused_.pop_back();
  }
  Page page;
  page.handle = handle;
  page.bytes = static_cast<uint32_t>(bytes);
  if (!zero_filled_) page.dirty_end = page.bytes;
  pages_[id] = page;
  total_bytes_ += bytes;
  return id;
}

PageId PagePool::AddTaken(PageHandle handle, uint64_t bytes) {
  const PageId id = NewRecord(handle, bytes);
  pages_[id].live = 1;
  by_state_[static_cast<size_t>(PageState::kMapped)] += bytes;
  return id;
}

PageId PagePool::AddFree(PageHandle handle, uint64_t bytes) {
  const PageId id = NewRecord(handle, bytes);
  by_state_[static_cast<size_t>(PageState::kFree)] += bytes;
  FreeList(bytes).emplace(handle, id);
  return id;
}

std::optional<PageId> PagePool::Take(uint64_t bytes, PageHandle follows) {
  auto& list = FreeList(bytes);
  if (list.empty()) return std::nullopt;
  auto found = follows == kNoPage ? list.begin() : list.find(follows);
  // The lowest handle otherwise: the pages after it are likely to be free too and follow on.
  if (found == list.end()) found = list.begin();
  const PageId id = found->second;
  TakeThis(id);
  return id;
}

bool PagePool::HasFree(uint64_t bytes, PageHandle follows) const {
  return FreeList(bytes).contains(follows);
}

std::optional<PageId> PagePool::FindLarger(uint64_t bytes) const {
  for (size_t i = 0; i < classes_.size(); ++i) {
    if (classes_[i] > bytes && !free_[i].empty()) return free_[i].begin()->second;
  }
  return std::nullopt;
}

std::optional<PageId> PagePool::FindFree() const {
  for (size_t i = classes_.size(); i-- > 0;) {
    if (!free_[i].empty()) return free_[i].rbegin()->second;
  }
  return std::nullopt;
}

std::vector<PageId> PagePool::FindFreeRun(PageHandle handle, uint64_t bytes) const {
  std::vector<PageId> run;
  for (uint64_t at = 0; at < bytes;) {
    const size_t before = run.size();
    for (size_t i = 0; i < classes_.size() && run.size() == before; ++i) {
      const auto found = free_[i].find(handle + at);
      if (found == free_[i].end() || at + classes_[i] > bytes) continue;
      run.push_back(found->second);
      at += classes_[i];
    }
    if (run.size() == before) return {};
  }
  return run;
}

void PagePool::TakeThis(PageId id) {
  VATTN_CHECK(IsFree(id));
  Add(id, &Page::live);
}

void PagePool::Remove(PageId id) {
  VATTN_CHECK(IsFree(id));
  Page& page = pages_[id];
  FreeList(page.bytes).erase(page.handle);
  by_state_[static_cast<size_t>(PageState::kFree)] -= page.bytes;
  total_bytes_ -= page.bytes;
  page = Page{};
  unused_.push_back(id);
}

void PagePool::Split(PageId id, uint64_t part_bytes, std::vector<PageId>* rest) {
  const Page whole = pages_[id];
  VATTN_CHECK(whole.bytes % part_bytes == 0 && whole.live <= 1 && whole.pins + whole.spans == 0);
  const bool free = whole.state() == PageState::kFree;
  if (free) FreeList(whole.bytes).erase(whole.handle);
  for (uint64_t at = 0; at < whole.bytes; at += part_bytes) {
    Page part = whole;
    part.handle = whole.handle + at;
    part.bytes = static_cast<uint32_t>(part_bytes);
    part.dirty_end = static_cast<uint32_t>(
        std::min<uint64_t>(whole.dirty_end > at ? whole.dirty_end - at : 0, part_bytes));
    PageId part_id = id;
    if (at > 0) {
      part_id = NewRecord(part.handle, part_bytes);
      total_bytes_ -= part_bytes;  // no memory was added: totals per state stay as they are
      rest->push_back(part_id);
    }
    pages_[part_id] = part;
    if (free) FreeList(part_bytes).emplace(part.handle, part_id);
  }
}

const char* PagePool::FindInconsistency() const {
  std::array<uint64_t, kPageStates> by_state{};
  uint64_t total = 0;
  uint64_t shared = 0;
  size_t free_pages = 0;
  for (PageId id = 0; id < pages_.size(); ++id) {
    const Page& page = pages_[id];
    if (page.bytes == 0) continue;
    total += page.bytes;
    by_state[static_cast<size_t>(page.state())] += page.bytes;
    if (page.live > 1) shared += page.bytes;
    if (page.fenced > page.parked) return "a page is fenced more often than parked";
    if (page.dirty_end > page.bytes) return "a page is dirty behind its end";
    if (page.protected_end > page.bytes) return "a page is protected behind its end";
    if (page.state() == PageState::kFree) {
      ++free_pages;
      const auto& list = FreeList(page.bytes);
      const auto found = list.find(page.handle);
      if (found == list.end() || found->second != id) return "a free page is not listed";
    }
  }
  size_t listed = 0;
  for (const auto& list : free_) listed += list.size();
  if (listed != free_pages) return "a page is listed as free and is not";
  if (total != total_bytes_) return "the total of all pages";
  if (by_state != by_state_) return "the total of a state";
  if (shared != shared_bytes_) return "the total of shared pages";
  return nullptr;
}

}  // namespace vattention::memory
