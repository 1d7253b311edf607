// Carrying out growth plans, all of them or none: takes or creates the pages, then maps, copies and
// zeroes; undoes what was done when something fails.
#ifndef VATTENTION_NATIVE_MEMORY_GROWTH_H_
#define VATTENTION_NATIVE_MEMORY_GROWTH_H_

#include <cstdint>
#include <vector>

#include "memory/growth_plan.h"
#include "memory/reclaim.h"

namespace vattention::memory {

class Growth {
 public:
  struct Options {
    EventThread thread = EventThread::kCaller;
    // Whether it may take pages from parked slots and from what others have ahead. Without, pages
    // it created stay as free ones when it fails.
    bool may_reclaim = true;
    // Rather create a page that merges with the one before it than take a free one that does not.
    bool prefer_adjacent = false;
  };
  enum class Outcome { kDone, kOutOfMemory, kFailed };

  // `lock` is held during every call, and released during driver calls.
  Growth(CacheCore* core, Lock* lock, const Options& options)
      : core_(core), lock_(lock), options_(options), reclaimer_(core, options.thread, &tally_) {}
  Growth(const Growth&) = delete;
  Growth& operator=(const Growth&) = delete;

  // The plan's slot must be busy by the caller, from before planning until after Commit.
  void Add(GrowthPlan plan) { plans_.push_back(std::move(plan)); }
  const std::vector<GrowthPlan>& plans() const { return plans_; }

  // Everything but the books; Commit must follow kDone. After another outcome all is as before, as
  // far as the driver lets undo it: what it does not is kept as parked or surplus memory.
  Outcome Run();
  // Binds sequences to their slots and makes the mappings theirs.
  void Commit();
  // The same for slots that stay without a sequence: what was mapped is parked.
  void CommitParked();

  // Of kFailed.
  const Status& error() const { return error_; }
  // Of kOutOfMemory.
  vattn_step_limit limit() const { return limit_; }
  uint64_t needed_bytes() const { return needed_bytes_; }
  const Tally& tally() const { return tally_; }

 private:
  // A page that is still to be found: of a placement or of a private copy.
  struct Want {
    size_t plan;
    uint32_t tensor;
    uint64_t offset;
    uint32_t bytes;
    PageId* page;
    bool divisible;  // smaller pages would do as well
  };
  struct CreateGroup;
  struct MappedRun {
    size_t plan;
    size_t first;  // placements [first, last)
    size_t last;
  };

  // growth.cc: pages.
  bool IsFeasible();
  Status TakeDisplaced();
  bool Acquire();  // false: error_ is set, or it is out of memory
  std::vector<Want> Wants();
  PagePiece Predecessor(const Want& want) const;
  void TakeFree();
  bool CreateMissing(const std::vector<Want>& wants, bool* progress);
  void Divide(size_t plan, uint32_t tensor, uint64_t offset);
  bool FitMappings();
  int64_t MappingsToCome() const;
  void GivePagesBack();
  void EndCommit();
  Outcome OutOfMemory(vattn_step_limit limit, uint64_t needed);

  // growth_execute.cc: the driver, without the lock.
  void Prepare();  // with the lock
  Status Execute();
  Status MapPlacements(size_t plan);
  Status CopyPrefixes(const GrowthPlan& plan);
  Status CopyPrivate(GrowthPlan* plan);
  Status ZeroAll(const GrowthPlan& plan);
  Status MapScratch(const std::vector<PagePiece>& pages);
  Status UnmapScratch(uint64_t bytes, uint64_t pages);
  Status WaitForReaders();
  void UndoMappings();  // with the lock, released meanwhile

  CacheCore* const core_;
  Lock* const lock_;
  const Options options_;
  Tally tally_;
  Reclaimer reclaimer_;
  std::vector<GrowthPlan> plans_;
  std::vector<ZeroRange> fresh_zeros_;   // of new placements, plan by plan
  std::vector<size_t> fresh_zeros_end_;  // [plans], where each plan's end
  std::vector<MappedRun> mapped_;
  std::vector<PageId> left_mapped_;                  // of what could not be undone
  std::vector<std::pair<size_t, size_t>> switched_;  // (plan, private copy) that took effect
  std::vector<PageId> created_;
  std::vector<uint64_t> converted_;  // sizes of free pages given back to create others
  uint64_t promised_mappings_ = 0;
  bool executed_ = false;        // the driver may have written into the pages
  bool create_blocked_ = false;  // the driver has no more memory
  FencePtr readers_;             // streams that may be using rows that are replaced
  Status error_;
  vattn_step_limit limit_ = VATTN_LIMIT_BYTES;
  uint64_t needed_bytes_ = 0;
};

}  // namespace vattention::memory

#endif  // VATTENTION_NATIVE_MEMORY_GROWTH_H_
