// What the cache says about itself: exact bytes per state, and the whole-structure check.
#include <algorithm>
#include <unordered_map>

#include "paged/paged_cache.h"

namespace vattention::paged {

Status PagedCache::Stats(vattn_cache_stats* stats) {
  std::lock_guard lock(mutex_);
  if (Status status = CheckOpen(); !status.ok()) return status;
  Collect();
  const PoolCounts& counts = pool_.counts();
  vattn_cache_stats result = counters_;
  result.size = sizeof(result);
  result.live_sequences = handles_.live_count();
  result.reserved_bytes = memory_.reserved_bytes();
  result.limit_bytes = limit_bytes_;
  result.total_bytes = geometry_.pool_bytes;
  result.mapped_bytes = Bytes(counts.mapped);
  result.needed_bytes = Bytes(counts.referenced);
  result.ahead_bytes = Bytes(counts.mapped - counts.referenced);
  result.retained_bytes = Bytes(counts.cached);
  result.condemned_bytes = Bytes(counts.condemned);
  result.free_bytes = Bytes(counts.free);
  result.used_bytes = UsedTokens() * geometry_.bytes_per_token;
  result.shared_bytes = Bytes(counts.shared);
  result.live_mappings = memory_.mappings();
  result.mapping_budget = driver_->limits().mapping_budget;
  result.pages_created = static_cast<uint64_t>(geometry_.blocks);
  result.evictions = static_cast<uint64_t>(pool_.evictions());
  WriteSized(result, stats);
  return {};
}

// Every referenced block is full but for last blocks of sequences. Such a block is its sequence's
// own except after a truncation into a shared one: then it holds what the longest of its users
// sees.
uint64_t PagedCache::UsedTokens() const {
  struct Users {
    int32_t count = 0;
    int32_t rows = 0;
  };
  int64_t unused = 0;
  std::unordered_map<BlockId, Users> shared;
  for (uint32_t index = 0; index < states_.size(); ++index) {
    const SequenceState& state = states_[index];
    const auto rows = static_cast<int32_t>(state.length & mask_);
    if (rows == 0 || state.table.back() == kNoBlock) continue;
    const BlockId block = state.table.back();
    if (pool_[block].refs == 1) {
      unused += options_.block_tokens - rows;
      continue;
    }
    Users& users = shared[block];
    ++users.count;
    users.rows = std::max(users.rows, rows);
  }
  for (const auto& [block, users] : shared) {
    if (users.count == pool_[block].refs) unused += options_.block_tokens - users.rows;
  }
  return static_cast<uint64_t>(int64_t{pool_.counts().referenced} * options_.block_tokens - unused);
}

Status PagedCache::Check() {
  std::lock_guard lock(mutex_);
  if (Status status = CheckOpen(); !status.ok()) return status;
  for (const std::string& problem : {pool_.Check(), tree_.Check(), CheckTables()}) {
    if (!problem.empty())
      return Status::Error(VATTN_INTERNAL, "The paged cache has ", problem, ".");
  }
  return {};
}

std::string PagedCache::CheckTables() const {
  const auto blocks = static_cast<size_t>(pool_.size());
  std::vector<Block> found(blocks);
  std::unordered_map<NodeId, int32_t> users;
  for (uint32_t index = 0; index < states_.size(); ++index) {
    const SequenceState& state = states_[index];
    if (!handles_.IsLive(index)) {
      if (state.length > 0 || state.reserved > 0 || !state.table.empty()) {
        return "a table of no live sequence";
      }
      continue;
    }
    const bool reserved = state.reserved > 0;
    const size_t entries =
        reserved ? state.reserved >> shift_ : static_cast<size_t>(BlocksFor(state.length));
    if (state.table.size() != entries) return "a table of a wrong length";
    if (reserved ? state.length > 0 : state.copy_source != kNoBlock) {
      return "a reservation of a sequence that was stepped";
    }
    for (size_t i = 0; i < entries; ++i) {
      const BlockId block = state.table[i];
      if (block == kNoBlock) {
        if (i >= static_cast<size_t>(BlocksFor(state.first_kept)))
          return "a hole that no window left";
        continue;
      }
      ++(reserved ? found[static_cast<size_t>(block)].pins
                  : found[static_cast<size_t>(block)].refs);
    }
    if (state.copy_source != kNoBlock) ++found[static_cast<size_t>(state.copy_source)].pins;
    if (state.node != kNoNode) ++users[state.node];
    if (state.node != kNoNode && static_cast<size_t>(tree_.DepthOf(state.node)) > entries) {
      return "a sequence published beyond its length";
    }
  }
  for (const Condemned& batch : condemned_) {
    for (const BlockId block : batch.blocks) ++found[static_cast<size_t>(block)].holds;
  }
  for (BlockId id = 0; id < pool_.size(); ++id) {
    const Block& block = pool_[id];
    const Block& counted = found[static_cast<size_t>(id)];
    if (block.refs != counted.refs || block.pins != counted.pins || block.holds != counted.holds) {
      return "a block whose counts differ from the tables";
    }
  }
  for (const auto& [node, count] : users) {
    if (tree_.UsersOf(node) != count) return "a prefix node with a wrong count of users";
  }
  return "";
}

}  // namespace vattention::paged
