#include "paged/paged_cache.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "memory/invariant.h"

namespace vattention::paged {

Status PagedCache::Create(const vattn_paged_options& options, std::unique_ptr<Driver> driver,
                          std::unique_ptr<PagedCache>* cache) {
  PoolGeometry geometry;
  vattn_status code;
  const std::string problem = ComputeGeometry(options, &geometry, &code);
  if (code != VATTN_OK) return Status::Error(code, problem);
  const uint64_t bytes = InPages(geometry.tensor_bytes, driver->limits());
  const uint64_t available = driver->AvailableBytes();
  const auto lacking = [&] {
    return Status::Error(VATTN_OUT_OF_MEMORY, "The pool needs ", bytes, " bytes, ", available,
                         " are available. Lower limitBytes or free memory.");
  };
  // Before anything is made: the books of a pool that cannot be would take gigabytes.
  if (bytes > available) return lacking();
  std::unique_ptr<PagedCache> made(new PagedCache(options, geometry, std::move(driver)));
  const DriverStatus status = made->memory_.Open(options, geometry, made->driver_.get());
  if (status.status == VATTN_OUT_OF_MEMORY) return lacking();
  if (!status.ok()) return Status::OfDriver(status, "making the block pool");
  *cache = std::move(made);
  return {};
}

PagedCache::PagedCache(const vattn_paged_options& options, const PoolGeometry& geometry,
                       std::unique_ptr<Driver> driver)
    : options_(options),
      geometry_(geometry),
      shift_(static_cast<uint32_t>(std::countr_zero(static_cast<uint32_t>(options.block_tokens)))),
      mask_(static_cast<uint32_t>(options.block_tokens) - 1),
      driver_(std::move(driver)),
      streams_([device = driver_.get()](vattn_stream stream, std::unique_ptr<DriverEvent>* event) {
        return device->Record(stream, event);
      }),
      trace_(static_cast<uint32_t>(std::max(options.trace_events, 0))),
      tree_(geometry.blocks, geometry.block_tokens,
            options.hash_bits == 0 ? 64 : options.hash_bits),
      pool_(geometry.blocks, &tree_),
      handles_(static_cast<uint32_t>(options.shape.max_sequences)),
      states_(static_cast<size_t>(options.shape.max_sequences)),
      limit_bytes_(geometry.pool_bytes) {}

void PagedCache::Release() {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

Status PagedCache::CheckOpen() const {
  if (!closed_) return {};
  return Status::Error(VATTN_DISPOSED, "The paged cache was disposed and cannot be used any more.");
}

Status PagedCache::Close() {
  std::lock_guard lock(mutex_);
  if (!closed_) {
    FencePtr busy;
    if (Status status = streams_.RecordAll(&busy); !status.ok()) return status;
    if (busy != nullptr) {
      return Status::Error(VATTN_BUSY,
                           "A stream attached to the paged cache has work in flight. Wait for it, "
                           "then dispose the cache.");
    }
    closed_ = true;
    BumpRevision();
    condemned_.clear();
    for (SequenceState& state : states_) state = {};
  }
  const DriverStatus status = memory_.Close();
  return status.ok() ? Status{} : Status::OfDriver(status, "giving the block pool back");
}

Status PagedCache::View(vattn_cache_view* view) {
  std::lock_guard lock(mutex_);
  if (Status status = CheckOpen(); !status.ok()) return status;
  vattn_cache_view result = {};
  result.size = sizeof(result);
  result.kind = VATTN_PAGED;
  result.shape = options_.shape;
  result.pool_layout = options_.pool_layout;
  result.block_tokens = options_.block_tokens;
  result.blocks = geometry_.blocks;
  result.max_blocks = geometry_.max_blocks;
  result.finite_tail = 1;
  result.key = memory_.keys().data();
  result.value = memory_.values().data();
  WriteSized(result, view);
  return {};
}

Status PagedCache::Find(vattn_sequence sequence, uint32_t* index) const {
  *index = handles_.Find(sequence);
  if (*index != SequenceHandles::kNoIndex) return {};
  return Status::Error(VATTN_STALE_SEQUENCE, "Sequence ", sequence,
                       " is not live in this cache: it was freed, or is of another cache.");
}

Status PagedCache::Resolve(std::span<const vattn_sequence> sequences, vattn_rows* rows) {
  std::lock_guard lock(mutex_);
  if (Status status = CheckOpen(); !status.ok()) return status;
  int32_t widest = 0;
  for (const vattn_sequence sequence : sequences) {
    // Asked by every layer of a pass: no Status unless it says something.
    uint32_t index = handles_.Find(sequence);
    if (index == SequenceHandles::kNoIndex) return Find(sequence, &index);
    widest = std::max(widest, BlocksFor(states_[index].length));
  }
  if (rows->block_table != nullptr && rows->block_table_stride < widest) {
    return Status::InvalidArgument(
        "Expected at least ", widest,
        " for block_table_stride, the widest row of this batch, received ",
        rows->block_table_stride, ".");
  }
  for (size_t i = 0; i < sequences.size(); ++i) {
    const uint32_t index = handles_.Find(sequences[i]);
    const SequenceState& state = states_[index];
    if (rows->slot != nullptr) rows->slot[i] = index;
    if (rows->backed_length != nullptr) rows->backed_length[i] = state.length;
    if (rows->first_kept != nullptr) rows->first_kept[i] = state.first_kept;
    if (rows->block_table != nullptr) {
      const int32_t count = BlocksFor(state.length);
      int32_t* row = rows->block_table + static_cast<int64_t>(i) * rows->block_table_stride;
      std::copy_n(state.table.data(), count, row);
      std::fill(row + count, row + rows->block_table_stride, kNoBlock);
    }
  }
  rows->widest = widest;
  return {};
}

Status PagedCache::NewSequence(vattn_sequence* sequence, uint32_t* index) {
  const auto handle = handles_.Allocate();
  if (!handle) {
    return Status::Error(VATTN_NO_SLOT, "All ", options_.shape.max_sequences,
                         " sequences are live. Free one, or make the cache with a larger "
                         "maxSequences.");
  }
  *sequence = *handle;
  *index = handles_.Find(*handle);
  return {};
}

Status PagedCache::Allocate(vattn_sequence* sequence) {
  std::lock_guard lock(mutex_);
  if (Status status = CheckOpen(); !status.ok()) return status;
  uint32_t index;
  return NewSequence(sequence, &index);
}

Status PagedCache::AllocatePrefix(std::span<const uint32_t> tokens, std::string_view salt,
                                  vattn_sequence* sequence, uint32_t* shared_length) {
  std::lock_guard lock(mutex_);
  if (Status status = CheckOpen(); !status.ok()) return status;
  // The first token of an answer has to be computed from something: one prompt token at least.
  const size_t most = tokens.empty() ? 0 : (tokens.size() - 1) >> shift_;
  std::vector<BlockId> table;
  NodeId node = options_.prefix_cache != 0 ? tree_.FindRoot(salt) : kNoNode;
  while (node != kNoNode && table.size() < most) {
    const NodeId child = tree_.FindChild(node, tokens.data() + (table.size() << shift_));
    if (child == kNoNode || tree_.BlockOf(child) == kNoBlock) break;
    table.push_back(tree_.BlockOf(child));
    node = child;
  }
  uint32_t index;
  if (Status status = NewSequence(sequence, &index); !status.ok()) return status;
  SequenceState& state = states_[index];
  for (const BlockId block : table) pool_.Pin(block, options_.block_tokens);
  state.reserved = static_cast<uint32_t>(table.size() << shift_);
  *shared_length = state.reserved;
  if (!table.empty()) MoveUser(&state, node);
  state.table = std::move(table);
  return {};
}

Status PagedCache::Fork(vattn_sequence source, uint32_t length, vattn_sequence* sequence) {
  std::lock_guard lock(mutex_);
  if (Status status = CheckOpen(); !status.ok()) return status;
  uint32_t from;
  if (Status status = Find(source, &from); !status.ok()) return status;
  // Of a sequence that is itself only reserved: what its first step will show.
  const uint32_t most = std::max(states_[from].length, states_[from].reserved);
  if (length > most) {
    return Status::Error(VATTN_NOT_BACKED, "Expected at most ", most,
                         " tokens to fork, which is what sequence ", source, " has, received ",
                         length, ". Step it first.");
  }
  if (length < states_[from].first_kept) {
    return Status::InvalidArgument("Expected at least ", states_[from].first_kept,
                                   " tokens to fork, the first that sequence ", source,
                                   " still holds, received ", length, ".");
  }
  const auto full = static_cast<std::ptrdiff_t>(length >> shift_);
  const auto& shown = states_[from].table;
  std::vector<BlockId> table(shown.begin(), shown.begin() + full);
  uint32_t index;
  if (Status status = NewSequence(sequence, &index); !status.ok()) return status;
  const SequenceState& parent = states_[from];
  SequenceState& state = states_[index];
  for (const BlockId block : table) {
    if (block != kNoBlock) pool_.Pin(block, options_.block_tokens);
  }
  const auto rows = static_cast<int32_t>(length & mask_);
  if (rows > 0) {
    const auto boundary = static_cast<size_t>(full);
    state.copy_source =
        boundary < parent.table.size() ? parent.table[boundary] : parent.copy_source;
    if (state.copy_source != kNoBlock) pool_.Pin(state.copy_source, rows);
  }
  state.table = std::move(table);
  state.reserved = length;
  state.first_kept = parent.first_kept;
  NodeId node = parent.node;
  while (node != kNoNode && tree_.DepthOf(node) > full) node = tree_.ParentOf(node);
  MoveUser(&state, node);
  return {};
}

void PagedCache::MoveUser(SequenceState* state, NodeId node) {
  tree_.AddUser(node);
  tree_.RemoveUser(std::exchange(state->node, node));
}

Status PagedCache::Publish(vattn_sequence sequence, std::span<const uint32_t> tokens,
                           std::string_view salt) {
  std::lock_guard lock(mutex_);
  if (Status status = CheckOpen(); !status.ok()) return status;
  uint32_t index;
  if (Status status = Find(sequence, &index); !status.ok()) return status;
  SequenceState& state = states_[index];
  if (tokens.size() > state.length) {
    return Status::Error(VATTN_NOT_BACKED, "Expected at most ", state.length,
                         " tokens to publish, which is what step has backed of sequence ", sequence,
                         ", received ", tokens.size(), ".");
  }
  if (options_.prefix_cache == 0) return {};
  const auto full = static_cast<int32_t>(tokens.size() >> shift_);
  for (NodeId node = state.node; node != kNoNode && tree_.DepthOf(node) > 0;
       node = tree_.ParentOf(node)) {
    const int32_t depth = tree_.DepthOf(node);
    if (depth > full) continue;
    const auto known = tree_.TokensOf(node);
    const size_t start = static_cast<size_t>(depth - 1) << shift_;
    const auto differ = std::mismatch(known.begin(), known.end(),
                                      tokens.begin() + static_cast<std::ptrdiff_t>(start))
                            .first;
    if (differ != known.end()) {
      return Status::InvalidArgument("Expected the tokens that were published of sequence ",
                                     sequence, " before, received another one at index ",
                                     start + static_cast<size_t>(differ - known.begin()),
                                     ". Truncate the sequence before its tokens change.");
    }
  }
  if (full == 0) return {};
  if (state.node == kNoNode || tree_.DepthOf(state.node) == 0) {
    MoveUser(&state, tree_.FindOrAddRoot(salt));
  } else if (tree_.SaltOf(tree_.RootOf(state.node)) != salt) {
    return {};
  }
  for (int32_t i = tree_.DepthOf(state.node); i < full; ++i) {
    const BlockId block = state.table[static_cast<size_t>(i)];
    const NodeId node =
        tree_.FindOrAddChild(state.node, tokens.data() + (static_cast<size_t>(i) << shift_));
    // Tokens before a window's edge may be missing, also in a block that was filled anew later.
    const bool whole = static_cast<uint32_t>(i) << shift_ >= state.first_kept;
    const bool fresh = whole && block != kNoBlock && tree_.NodeOf(block) == kNoNode;
    if (fresh) tree_.Attach(node, block);
    if (tree_.BlockOf(node) == kNoBlock) {
      tree_.Prune(node);
      return {};
    }
    MoveUser(&state, node);
  }
  return {};
}

Status PagedCache::FenceFor(const vattn_fence* after, FencePtr* fence) const {
  if (after == nullptr) return streams_.RecordAll(fence);
  *fence = FenceOf(after);
  if (vattention::Passed(*fence)) fence->reset();
  return {};
}

void PagedCache::Release(std::vector<BlockId> blocks, const FencePtr& fence) {
  if (blocks.empty()) return;
  const int64_t start = trace_.Now();
  const auto count = static_cast<int64_t>(blocks.size());
  counters_.pages_unmapped += static_cast<uint64_t>(count);
  if (fence == nullptr) {
    for (const BlockId block : blocks) pool_.Unref(block);
    return;
  }
  condemned_.push_back({fence, std::move(blocks)});
  for (const BlockId block : condemned_.back().blocks) {
    pool_.Hold(block);
    pool_.Unref(block);
  }
  Emit(VATTN_EVENT_CONDEMN, start, -1, Bytes(count), count);
}

void PagedCache::Collect() {
  std::erase_if(condemned_, [&](const Condemned& batch) {
    if (!batch.fence->Passed()) return false;
    for (const BlockId block : batch.blocks) pool_.Unhold(block);
    return true;
  });
}

// Only what the next step would have shown changes: nothing is visible yet.
void PagedCache::ShortenReservation(SequenceState* state, uint32_t length) {
  const auto full = static_cast<size_t>(length >> shift_);
  const auto rows = static_cast<int32_t>(length & mask_);
  BlockId source = state->copy_source;
  if (full < state->table.size()) {
    if (source != kNoBlock) pool_.Unpin(source);
    source = rows > 0 ? state->table[full] : kNoBlock;
    for (size_t i = state->table.size(); i > full; --i) {
      const BlockId block = state->table[i - 1];
      if (block != kNoBlock && block != source) pool_.Unpin(block);
    }
    state->table.resize(full);
  } else if (rows == 0 && source != kNoBlock) {
    pool_.Unpin(source);
    source = kNoBlock;
  }
  state->copy_source = source;
  state->reserved = length;
}

Status PagedCache::Truncate(vattn_sequence sequence, uint32_t length, const vattn_fence* after) {
  std::lock_guard lock(mutex_);
  if (Status status = CheckOpen(); !status.ok()) return status;
  uint32_t index;
  if (Status status = Find(sequence, &index); !status.ok()) return status;
  SequenceState& state = states_[index];
  const uint32_t shown = std::max(state.length, state.reserved);
  if (length > shown) {
    return Status::Error(VATTN_NOT_BACKED, "Expected at most ", shown,
                         " tokens to truncate sequence ", sequence, " to, received ", length, ".");
  }
  if (length == shown) return {};
  FencePtr fence;
  if (Status status = FenceFor(after, &fence); !status.ok()) return status;
  if (state.reserved > 0) {
    ShortenReservation(&state, length);
  } else {
    const auto kept = static_cast<size_t>(BlocksFor(length));
    std::vector<BlockId> gone;
    gone.reserve(state.table.size() - kept);
    for (size_t i = state.table.size(); i > kept; --i) {
      if (state.table[i - 1] != kNoBlock) gone.push_back(state.table[i - 1]);
    }
    Release(std::move(gone), fence);
    state.table.resize(kept);
    state.length = length;
    state.check_tail = (length & mask_) != 0;
  }
  state.first_kept = std::min(state.first_kept, length);
  const auto full = static_cast<int32_t>(length >> shift_);
  NodeId node = state.node;
  while (node != kNoNode && tree_.DepthOf(node) > full) node = tree_.ParentOf(node);
  MoveUser(&state, node);
  return {};
}

Status PagedCache::Slide(vattn_sequence sequence, uint32_t first_token, const vattn_fence* after) {
  std::lock_guard lock(mutex_);
  if (Status status = CheckOpen(); !status.ok()) return status;
  uint32_t index;
  if (Status status = Find(sequence, &index); !status.ok()) return status;
  SequenceState& state = states_[index];
  if (first_token > state.length) {
    return Status::Error(VATTN_NOT_BACKED, "Expected at most ", state.length,
                         " as the first token to keep, which is what step has backed of sequence ",
                         sequence, ", received ", first_token, ".");
  }
  if (first_token <= state.first_kept) return {};
  FencePtr fence;
  if (Status status = FenceFor(after, &fence); !status.ok()) return status;
  std::vector<BlockId> gone;
  const auto end = static_cast<size_t>(first_token >> shift_);
  for (size_t i = state.first_kept >> shift_; i < end; ++i) {
    if (state.table[i] != kNoBlock) gone.push_back(state.table[i]);
  }
  std::reverse(gone.begin(), gone.end());  // the deepest is evicted first
  Release(std::move(gone), fence);
  std::fill(state.table.begin() + (state.first_kept >> shift_),
            state.table.begin() + static_cast<std::ptrdiff_t>(end), kNoBlock);
  state.first_kept = first_token;
  return {};
}

Status PagedCache::Free(vattn_sequence sequence, const vattn_fence* after) {
  std::lock_guard lock(mutex_);
  if (Status status = CheckOpen(); !status.ok()) return status;
  uint32_t index;
  if (Status status = Find(sequence, &index); !status.ok()) return status;
  SequenceState& state = states_[index];
  FencePtr fence;
  if (Status status = FenceFor(after, &fence); !status.ok()) return status;
  if (state.reserved > 0) {
    ShortenReservation(&state, 0);
  } else {
    std::vector<BlockId> gone;
    gone.reserve(state.table.size());
    for (size_t i = state.table.size(); i > 0; --i) {
      if (state.table[i - 1] != kNoBlock) gone.push_back(state.table[i - 1]);
    }
    Release(std::move(gone), fence);
  }
  MoveUser(&state, kNoNode);
  handles_.Free(index);
  std::vector<BlockId> table = std::move(state.table);
  table.clear();
  state = {};
  state.table = std::move(table);  // its capacity serves the next sequence
  return {};
}

Status PagedCache::AttachStream(vattn_stream stream) {
  std::lock_guard lock(mutex_);
  if (Status status = CheckOpen(); !status.ok()) return status;
  return streams_.Attach(stream);
}

// Also of a closed cache: whoever attached must be able to let go.
Status PagedCache::DetachStream(vattn_stream stream) { return streams_.Detach(stream); }

Status PagedCache::WaitReady(vattn_stream stream) {
  std::lock_guard lock(mutex_);
  if (Status status = CheckOpen(); !status.ok()) return status;
  const DriverStatus status = driver_->MakeStreamWait(stream);
  return status.ok() ? Status{} : Status::OfDriver(status, "making a stream wait for the cache");
}

Status PagedCache::RecordFence(vattn_stream stream, FencePtr* fence) {
  std::lock_guard lock(mutex_);
  if (Status status = CheckOpen(); !status.ok()) return status;
  return streams_.Record(stream, fence);
}

Status PagedCache::SetLimit(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  if (Status status = CheckOpen(); !status.ok()) return status;
  const int64_t start = trace_.Now();
  Collect();
  limit_bytes_ = std::min(bytes, geometry_.pool_bytes);
  pool_.SetUsable(static_cast<int32_t>(limit_bytes_ / geometry_.block_bytes));
  Emit(VATTN_EVENT_LIMIT, start, -1, limit_bytes_, pool_.usable());
  return {};
}

Status PagedCache::DropCached() {
  std::lock_guard lock(mutex_);
  if (Status status = CheckOpen(); !status.ok()) return status;
  Collect();
  pool_.DropCached();
  return {};
}

}  // namespace vattention::paged
