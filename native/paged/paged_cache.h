// A KV cache in blocks: PagedAttention's memory manager behind vattn_cache_api.
//
//   sequence A   table [ 7 | 2 | 9 ]      blocks 7 and 2 are shared: two references each
//   sequence B   table [ 7 | 2 | 4 ]      9 and 4 hold what A and B have apart
//
// A sequence that was allocated with a prefix or forked has *reserved* tokens until its first step:
// their blocks are pinned, nothing is visible yet. The step turns pins into references and copies
// the partial block behind them, if any.
//
// Every public function locks, may be called from any thread, and either does all of its work or
// changes nothing.
#ifndef VATTENTION_NATIVE_PAGED_PAGED_CACHE_H_
#define VATTENTION_NATIVE_PAGED_PAGED_CACHE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "memory/driver.h"
#include "memory/fence.h"
#include "memory/sequence_handle.h"
#include "memory/status.h"
#include "memory/trace.h"
#include "paged/block_pool.h"
#include "paged/pool_memory.h"
#include "paged/prefix_tree.h"
#include "vattention/paged_cache.h"

namespace vattention::paged {

class PagedCache {
 public:
  // Makes a cache over `driver`; *cache is untouched on failure.
  static Status Create(const vattn_paged_options& options, std::unique_ptr<Driver> driver,
                       std::unique_ptr<PagedCache>* cache);

  void Retain() { references_.fetch_add(1, std::memory_order_relaxed); }
  // Deletes the cache with the last reference.
  void Release();
  Status Close();

  // See vattn_cache_api.revision.
  uint64_t revision() const { return revision_.load(std::memory_order_acquire); }
  void BumpRevision() { revision_.fetch_add(1, std::memory_order_release); }

  Status View(vattn_cache_view* view);
  Status Resolve(std::span<const vattn_sequence> sequences, vattn_rows* rows);

  Status Allocate(vattn_sequence* sequence);
  Status AllocatePrefix(std::span<const uint32_t> tokens, std::string_view salt,
                        vattn_sequence* sequence, uint32_t* shared_length);
  Status Fork(vattn_sequence source, uint32_t length, vattn_sequence* sequence);
  Status Step(std::span<const vattn_sequence> sequences, const uint32_t* lengths,
              vattn_step_result* result);
  Status Publish(vattn_sequence sequence, std::span<const uint32_t> tokens, std::string_view salt);
  // `after` nullptr: everything that the attached streams have been given so far.
  Status Truncate(vattn_sequence sequence, uint32_t length, const vattn_fence* after);
  Status Slide(vattn_sequence sequence, uint32_t first_token, const vattn_fence* after);
  Status Free(vattn_sequence sequence, const vattn_fence* after);

  Status AttachStream(vattn_stream stream);
  Status DetachStream(vattn_stream stream);
  Status WaitReady(vattn_stream stream);
  Status RecordFence(vattn_stream stream, FencePtr* fence);

  Status Stats(vattn_cache_stats* stats);
  Status SetLimit(uint64_t bytes);
  Status DropCached();
  Driver* driver() const { return driver_.get(); }
  int32_t ReadTrace(vattn_event* events, int32_t capacity) const {
    return trace_.Read(events, capacity);
  }
  void Listen(vattn_event_callback callback, void* context) { trace_.Listen(callback, context); }
  Status Check();

 private:
  struct SequenceState {
    std::vector<BlockId> table;      // backed blocks, or pinned ones while `reserved` > 0
    uint32_t length = 0;             // backed tokens
    uint32_t reserved = 0;           // tokens that the next step will show; then 0
    uint32_t first_kept = 0;         // tokens before it were slid away
    bool check_tail = false;         // the block that `length` is inside of may not be its own
    BlockId copy_source = kNoBlock;  // reserved: pinned, holds the rows behind the last full block
    NodeId node = kNoNode;           // where its published prefix ends
    uint64_t stamp = 0;              // of the last step that named it
  };

  // What a step has to do for one sequence beyond noting its length.
  struct Job {
    enum class Tail : uint8_t {
      kNone,
      kCopy,     // reserved: copy `rows` rows of `tail` into the first new block
      kAdopt,    // reserved: nobody else needs `tail` any more; its rows from `rows` on are zeroed
      kReplace,  // copy-on-write: copy `rows` rows of `tail` into the first new block, which
                 // replaces it
      kForget,   // `tail` is written in place: the prefix tree may not know it any more
      kFill      // the block behind the window's edge is gone: the first new block takes its place
    };
    uint32_t index;  // of the sequence
    uint32_t length;
    int32_t blocks;  // new ones
    Tail tail;
    BlockId block;  // `tail`
    int32_t rows;
  };
  struct Taken {
    BlockId id;
    bool written;
  };
  // Blocks that left sequences and wait for a fence.
  struct Condemned {
    FencePtr fence;
    std::vector<BlockId> blocks;
  };

  PagedCache(const vattn_paged_options& options, const PoolGeometry& geometry,
             std::unique_ptr<Driver> driver);

  Status CheckOpen() const;
  Status Find(vattn_sequence sequence, uint32_t* index) const;
  Status NewSequence(vattn_sequence* sequence, uint32_t* index);
  Status FenceFor(const vattn_fence* after, FencePtr* fence) const;
  int32_t BlocksFor(uint64_t tokens) const {
    return static_cast<int32_t>((tokens + mask_) >> shift_);
  }

  // paged_step.cc
  Status PlanStep(std::span<const vattn_sequence> sequences, const uint32_t* lengths,
                  int32_t* needed, bool* copies);
  Job PlanJob(uint32_t index, uint32_t length);
  bool WritableInPlace(BlockId block, int32_t row) const;
  bool MakeRoom(int32_t* needed);
  DriverStatus FillBlocks();
  void PutBackTaken();
  void CommitStep(std::span<const vattn_sequence> sequences, const uint32_t* lengths,
                  const FencePtr& fence);
  void CommitJob(const Job& job, const Taken* fresh, const FencePtr& fence);

  // Drops one reference of each block, which stay condemned until `fence` passes.
  void Release(std::vector<BlockId> blocks, const FencePtr& fence);
  // Blocks whose fences have passed become free or cached.
  void Collect();
  void ShortenReservation(SequenceState* state, uint32_t length);
  void MoveUser(SequenceState* state, NodeId node);
  uint64_t Bytes(int64_t blocks) const {
    return static_cast<uint64_t>(blocks) * geometry_.block_bytes;
  }
  // An event of a caller that began at `start_ns` and ends now.
  void Emit(vattn_event_kind kind, int64_t start_ns, int32_t slot, uint64_t bytes, int64_t count) {
    trace_.Emit(kind, memory::EventThread::kCaller, start_ns, slot, bytes, count);
  }
  uint64_t UsedTokens() const;
  std::string CheckTables() const;

  const vattn_paged_options options_;
  const PoolGeometry geometry_;
  const uint32_t shift_;  // log2 of block_tokens
  const uint32_t mask_;   // block_tokens - 1
  std::unique_ptr<Driver> driver_;
  StreamRegistry streams_;
  memory::Trace trace_;
  std::atomic<int64_t> references_{1};

  std::mutex mutex_;  // guards everything below
  bool closed_ = false;
  std::atomic<uint64_t> revision_{0};
  PoolMemory memory_;
  PrefixTree tree_;
  BlockPool pool_;
  SequenceHandles handles_;
  std::vector<SequenceState> states_;  // [max_sequences]
  std::vector<Condemned> condemned_;
  vattn_cache_stats counters_ = {};  // the fields that only grow
  uint64_t limit_bytes_;

  // Scratch of a step, kept so that a step allocates nothing.
  uint64_t stamp_ = 0;
  std::vector<Job> jobs_;
  std::vector<Taken> taken_;
  std::vector<size_t> dirty_;      // indices into taken_, by block number
  std::vector<BlockId> replaced_;  // by copies, while streams may still read them
};

}  // namespace vattention::paged

#endif  // VATTENTION_NATIVE_PAGED_PAGED_CACHE_H_
