// The pool's blocks as numbers: who uses which, in what order they are given away. Moves no memory.
//
// A block is in one state, the first that applies:
//
//   mapped      a live sequence's table has it (`refs`), or a sequence that has not been stepped
//   yet
//               will (`pins`)
//   condemned   nobody has it, but kernels may still be using it (`holds`: fences not passed)
//   cached      nobody has it; its tokens are known by hash, so it is kept: least recently used
//   first free        nothing is in it that anybody could want
//
// Free blocks are handed out before cached ones are evicted; both lists are doubly linked through
// the blocks themselves, so every operation is O(1).
#ifndef VATTENTION_NATIVE_PAGED_BLOCK_POOL_H_
#define VATTENTION_NATIVE_PAGED_BLOCK_POOL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "paged/prefix_tree.h"

namespace vattention::paged {

enum class BlockState : uint8_t { kFree, kCached, kCondemned, kMapped, kTaken };

struct Block {
  int32_t refs = 0;         // entries in tables of live sequences that are backed
  int32_t pins = 0;         // sequences that will show it, or copy from it, with their next step
  int32_t holds = 0;        // departures from a sequence whose fences have not passed
  int32_t pinned_rows = 0;  // rows that pins rely on: these must not change
  BlockId next = kNoBlock;  // in the list of free or of cached blocks
  BlockId previous = kNoBlock;
  BlockState state = BlockState::kFree;
  bool dirty = false;  // holds something: to be zeroed before anybody sees it
};

// How many blocks are in which state.
struct PoolCounts {
  int32_t free = 0;
  int32_t cached = 0;
  int32_t condemned = 0;
  int32_t mapped = 0;
  int32_t referenced = 0;  // of mapped: refs > 0
  int32_t shared = 0;      // of mapped: refs + pins > 1
};

class BlockPool {
 public:
  // `tree` must outlive the pool.
  BlockPool(int32_t blocks, PrefixTree* tree);

  int32_t size() const { return static_cast<int32_t>(blocks_.size()); }
  const Block& operator[](BlockId id) const { return blocks_[static_cast<size_t>(id)]; }
  const PoolCounts& counts() const { return counts_; }
  int64_t evictions() const { return evictions_; }

  // At most `blocks` of the pool are mapped, condemned or cached from now on: cached ones are
  // evicted as far as needed, mapped ones stay and nothing is handed out until enough of them have
  // left.
  void SetUsable(int32_t blocks);
  int32_t usable() const { return usable_; }

  // How many blocks Take can hand out, cached ones included.
  int32_t Available() const;
  // The next block to use, in no state until Commit or PutBack. Available() must be positive. A
  // cached block keeps its place in the prefix tree until then.
  BlockId Take();
  // A taken block becomes mapped with one reference; what was cached in it is forgotten.
  void Commit(BlockId id);
  // Undoes Take. In reverse order of the calls of Take the lists become what they were. `written`:
  // its content was touched, so it is only free.
  void PutBack(BlockId id, bool written);

  void Ref(BlockId id);
  void Unref(BlockId id);
  // `rows`: how many of the block's rows the pin relies on.
  void Pin(BlockId id, int32_t rows);
  void Unpin(BlockId id);
  // A pin becomes a reference.
  void RefPinned(BlockId id);
  void Hold(BlockId id);
  void Unhold(BlockId id);

  // Forgets what is cached in `id`; if it was cached it becomes free.
  void Forget(BlockId id);
  // Forgets everything that is only cached.
  void DropCached();

  // Whole-structure check; the text of the first thing that is wrong, empty when nothing is.
  std::string Check() const;

 private:
  struct List {
    BlockId head = kNoBlock;
    BlockId tail = kNoBlock;
  };

  Block& At(BlockId id) { return blocks_[static_cast<size_t>(id)]; }
  BlockState StateOf(BlockId id) const;
  // Brings list, counts and state in line with the block's numbers after one of them changed.
  void Settle(BlockId id, int32_t refs_before, int32_t uses_before);
  void Enter(BlockId id, BlockState state);
  void Leave(BlockId id);
  void EnterCached(BlockId id);
  void EvictTo(int32_t most_in_use);
  void PushBack(List* list, BlockId id);
  void PushFront(List* list, BlockId id);
  void Unlink(List* list, BlockId id);
  int32_t InUse() const { return counts_.mapped + counts_.condemned + counts_.cached + taken_; }
  int32_t& CountOf(BlockState state);

  std::vector<Block> blocks_;
  PrefixTree* tree_;
  PoolCounts counts_;
  List free_;
  List cached_;
  int32_t taken_ = 0;
  int32_t usable_;
  int64_t evictions_ = 0;
};

}  // namespace vattention::paged

#endif  // VATTENTION_NATIVE_PAGED_BLOCK_POOL_H_
