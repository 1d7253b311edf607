#include "paged/block_pool.h"

#include <algorithm>
#include <tuple>

#include "memory/invariant.h"

namespace vattention::paged {

BlockPool::BlockPool(int32_t blocks, PrefixTree* tree)
    : blocks_(static_cast<size_t>(blocks)), tree_(tree), usable_(blocks) {
  for (BlockId id = 0; id < blocks; ++id) Enter(id, BlockState::kFree);
}

int32_t BlockPool::Available() const {
  const int32_t room = usable_ - counts_.mapped - counts_.condemned - taken_;
  return std::clamp(room, 0, counts_.free + counts_.cached);
}

void BlockPool::SetUsable(int32_t blocks) {
  usable_ = std::clamp(blocks, 0, size());
  EvictTo(usable_);
}

void BlockPool::EvictTo(int32_t most_in_use) {
  while (InUse() > most_in_use && cached_.head != kNoBlock) {
    ++evictions_;
    Forget(cached_.head);
  }
}

BlockId BlockPool::Take() {
  const bool from_free = free_.head != kNoBlock && InUse() < usable_;
  const BlockId id = from_free ? free_.head : cached_.head;
  VATTN_CHECK(id != kNoBlock && Available() > 0);
  Leave(id);
  At(id).state = BlockState::kTaken;
  ++taken_;
  return id;
}

void BlockPool::Commit(BlockId id) {
  Block& block = At(id);
  VATTN_CHECK(block.state == BlockState::kTaken);
  if (tree_->NodeOf(id) != kNoNode) {
    ++evictions_;
    tree_->Detach(id);
  }
  --taken_;
  block.refs = 1;
  block.dirty = true;
  ++counts_.referenced;
  Enter(id, BlockState::kMapped);
}

void BlockPool::PutBack(BlockId id, bool written) {
  Block& block = At(id);
  VATTN_CHECK(block.state == BlockState::kTaken);
  --taken_;
  if (written) {
    tree_->Detach(id);
    block.dirty = true;
  }
  const bool cached = tree_->NodeOf(id) != kNoNode;
  block.state = cached ? BlockState::kCached : BlockState::kFree;
  PushFront(cached ? &cached_ : &free_, id);
  ++CountOf(block.state);
}

void BlockPool::Ref(BlockId id) {
  Block& block = At(id);
  const int32_t refs = block.refs++;
  Settle(id, refs, refs + block.pins);
}

void BlockPool::Unref(BlockId id) {
  Block& block = At(id);
  VATTN_CHECK(block.refs > 0);
  const int32_t refs = block.refs--;
  Settle(id, refs, refs + block.pins);
}

void BlockPool::Pin(BlockId id, int32_t rows) {
  Block& block = At(id);
  block.pinned_rows = std::max(block.pinned_rows, rows);
  const int32_t pins = block.pins++;
  Settle(id, block.refs, block.refs + pins);
}

void BlockPool::Unpin(BlockId id) {
  Block& block = At(id);
  VATTN_CHECK(block.pins > 0);
  const int32_t pins = block.pins--;
  if (block.pins == 0) block.pinned_rows = 0;
  Settle(id, block.refs, block.refs + pins);
}

void BlockPool::RefPinned(BlockId id) {
  Block& block = At(id);
  VATTN_CHECK(block.pins > 0);
  const int32_t refs = block.refs++;
  if (--block.pins == 0) block.pinned_rows = 0;
  Settle(id, refs, refs + block.pins + 1);
}

void BlockPool::Hold(BlockId id) {
  Block& block = At(id);
  ++block.holds;
  Settle(id, block.refs, block.refs + block.pins);
}

void BlockPool::Unhold(BlockId id) {
  Block& block = At(id);
  VATTN_CHECK(block.holds > 0);
  --block.holds;
  Settle(id, block.refs, block.refs + block.pins);
}

void BlockPool::Forget(BlockId id) {
  Block& block = At(id);
  if (tree_->NodeOf(id) == kNoNode) return;
  if (block.state == BlockState::kCached) {
    Leave(id);
    tree_->Detach(id);
    Enter(id, BlockState::kFree);
  } else {
    tree_->Detach(id);
  }
}

void BlockPool::DropCached() {
  while (cached_.head != kNoBlock) Forget(cached_.head);
}

BlockState BlockPool::StateOf(BlockId id) const {
  const Block& block = (*this)[id];
  if (block.refs + block.pins > 0) return BlockState::kMapped;
  if (block.holds > 0) return BlockState::kCondemned;
  return tree_->NodeOf(id) != kNoNode ? BlockState::kCached : BlockState::kFree;
}

void BlockPool::Settle(BlockId id, int32_t refs_before, int32_t uses_before) {
  Block& block = At(id);
  counts_.referenced += (block.refs > 0) - (refs_before > 0);
  counts_.shared += (block.refs + block.pins > 1) - (uses_before > 1);
  const BlockState state = StateOf(id);
  if (state == block.state) return;
  Leave(id);
  if (state == BlockState::kCached) {
    EnterCached(id);
  } else {
    Enter(id, state);
  }
}

// One unused block is enough for one content: of two, the one that would be evicted first goes.
// When a sequence still uses a twin, the tokens are found there.
void BlockPool::EnterCached(BlockId id) {
  for (BlockId twin = tree_->BlockOf(tree_->NodeOf(id)); twin != kNoBlock;) {
    const BlockId next = tree_->NextTwin(twin);
    const BlockState state = At(twin).state;
    if (twin != id && state == BlockState::kCached) Forget(twin);
    if (twin != id && state == BlockState::kMapped) {
      tree_->Detach(id);
      Enter(id, BlockState::kFree);
      return;
    }
    twin = next;
  }
  Enter(id, BlockState::kCached);
  EvictTo(std::max(usable_, 0));
}

void BlockPool::Enter(BlockId id, BlockState state) {
  Block& block = At(id);
  block.state = state;
  ++CountOf(state);
  if (state == BlockState::kFree) PushBack(&free_, id);
  if (state == BlockState::kCached) PushBack(&cached_, id);
}

void BlockPool::Leave(BlockId id) {
  const BlockState state = At(id).state;
  --CountOf(state);
  if (state == BlockState::kFree) Unlink(&free_, id);
  if (state == BlockState::kCached) Unlink(&cached_, id);
}

int32_t& BlockPool::CountOf(BlockState state) {
  switch (state) {
    case BlockState::kFree:
      return counts_.free;
    case BlockState::kCached:
      return counts_.cached;
    case BlockState::kCondemned:
      return counts_.condemned;
    case BlockState::kMapped:
      return counts_.mapped;
    case BlockState::kTaken:
      break;
  }
  return taken_;
}

void BlockPool::PushBack(List* list, BlockId id) {
  Block& block = At(id);
  block.previous = list->tail;
  block.next = kNoBlock;
  (list->tail == kNoBlock ? list->head : At(list->tail).next) = id;
  list->tail = id;
}

void BlockPool::PushFront(List* list, BlockId id) {
  Block& block = At(id);
  block.previous = kNoBlock;
  block.next = list->head;
  (list->head == kNoBlock ? list->tail : At(list->head).previous) = id;
  list->head = id;
}

void BlockPool::Unlink(List* list, BlockId id) {
  Block& block = At(id);
  (block.previous == kNoBlock ? list->head : At(block.previous).next) = block.next;
  (block.next == kNoBlock ? list->tail : At(block.next).previous) = block.previous;
  block.next = block.previous = kNoBlock;
}

std::string BlockPool::Check() const {
  PoolCounts counts;
  for (BlockId id = 0; id < size(); ++id) {
    const Block& block = (*this)[id];
    if (block.refs < 0 || block.pins < 0 || block.holds < 0) return "a negative count of a block";
    if (block.state != StateOf(id)) return "a block in a wrong state";
    if (block.pins == 0 && block.pinned_rows != 0) return "pinned rows without a pin";
    counts.free += block.state == BlockState::kFree;
    counts.cached += block.state == BlockState::kCached;
    counts.condemned += block.state == BlockState::kCondemned;
    counts.mapped += block.state == BlockState::kMapped;
    counts.referenced += block.refs > 0;
    counts.shared += block.refs + block.pins > 1;
  }
  if (counts.free != counts_.free || counts.cached != counts_.cached ||
      counts.condemned != counts_.condemned || counts.mapped != counts_.mapped ||
      counts.referenced != counts_.referenced || counts.shared != counts_.shared || taken_ != 0) {
    return "counts of block states do not add up";
  }
  for (const auto& [list, state, length] :
       {std::tuple{free_, BlockState::kFree, counts.free},
        std::tuple{cached_, BlockState::kCached, counts.cached}}) {
    int32_t seen = 0;
    BlockId previous = kNoBlock;
    for (BlockId id = list.head; id != kNoBlock; previous = id, id = (*this)[id].next) {
      if ((*this)[id].state != state || (*this)[id].previous != previous) return "a broken list";
      if (++seen > length) return "a list with a cycle";
    }
    if (seen != length || list.tail != previous) return "a list of a wrong length";
  }
  if (counts_.cached > 0 && InUse() > usable_) return "cached blocks beyond the limit";
  return "";
}

}  // namespace vattention::paged
