// Slots, the sequences that live in them, and what waits to leave them.
//
// A handle names a sequence, not a slot: the slot is chosen by the first step, when it is known how
// long the sequence is, so that the parked slot that fits best can be adopted.
//
//   tensor of a live slot:
//   |<- left ->|<------------ backed ------------>|<- tail ->|<------ ahead ------>|
//   [  hole    ][ page ][ page ][ page ][ page ][ page ][ page ][ page ]..............
//              ^ first row that is kept           ^ backed    ^ ready: step needs nothing up to
//              here
#ifndef VATTENTION_NATIVE_MEMORY_SLOT_H_
#define VATTENTION_NATIVE_MEMORY_SLOT_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "memory/fence.h"
#include "memory/page.h"
#include "memory/tensor_map.h"

namespace vattention::memory {

inline constexpr uint32_t kNone = ~uint32_t{0};

// Who changes the mappings of a slot outside the lock. Callers that do hold `operation`, so to one
// of them kCaller means itself.
enum class Busy : uint8_t { kNo, kCaller, kMapper };

struct Slot {
  std::vector<TensorMap> maps;  // [tensors]
  uint32_t sequence = kNone;    // the live sequence in it; kNone: parked, or empty
  Busy busy = Busy::kNo;
  bool maybe_dirty = false;  // parked pages that the mapper has not looked at for zeroing
  uint32_t condemned = 0;    // ranges of it that wait in CacheCore::condemned
  uint64_t parked_at = 0;    // when it was parked: a counter, oldest is smallest
  // Rows below are zero or the live sequence's own; rows from here on may be a former owner's.
  uint64_t clean_rows = 0;
  // The longest that the live sequence ever was, less what it has been stepped since.
  uint64_t written_rows = 0;
  // Parked: who may still be reading it. Live: who may still be reading rows past the backed ones.
  FencePtr fence;
  bool fenced = false;  // parked, and its pages count as `fenced`

  bool live() const { return sequence != kNone; }
  uint64_t Mappings(bool runs) const {
    uint64_t mappings = 0;
    for (const TensorMap& map : maps) mappings += map.Mappings(runs);
    return mappings;
  }
};

// What a reserved sequence (fork, shared prefix) will show from its first step on.
struct Share {
  struct Segment {
    uint32_t tensor;
    uint64_t offset;  // bytes from the start of the tensor
    uint64_t valid;   // bytes of the page that are shown
    PageId page;      // pinned
    bool alias;       // all of it is shown: map it; else copy
  };
  std::vector<Segment> segments;  // by tensor, then by offset
  uint32_t length = 0;            // tokens
  uint32_t first_kept = 0;        // of the source, when it has slid
  FencePtr written;               // what may still be writing those tokens
};

struct Sequence {
  static constexpr uint32_t kNever = ~uint32_t{0};

  uint32_t slot = kNone;       // kNone until its first step
  uint32_t backed = 0;         // tokens
  uint32_t wanted = 0;         // of a step in progress: it may not be given away
  uint32_t ready = 0;          // lengths up to here need nothing but this number
  uint32_t ahead_at = kNever;  // beyond this length the mapper is asked to map ahead
  uint32_t first_kept = 0;     // first token that may still be read
  bool queued = false;         // waits for the mapper
  bool stepping = false;       // a step that may need the driver is at work on it
  uint64_t stamp = 0;          // of the last step that named it: finds one named twice
  std::unique_ptr<Share> share;

  // Shortest length that a step may ask for.
  uint32_t Length() const { return share == nullptr ? backed : share->length; }
};

// Mappings that left a sequence: still there, since somebody may be reading them.
struct Condemned {
  uint32_t slot;
  uint32_t tensor;
  std::vector<MapEntry> entries;  // by offset
  FencePtr fence;
  uint64_t mappings = 0;  // charged to the budget
  bool busy = false;      // being unmapped
};

// Pages that hold tokens [from, to), kept for the prefix index or for other processes.
struct Span {
  struct Piece {
    uint32_t tensor;
    uint64_t offset;
    PageId page;
  };
  uint32_t from;
  uint32_t to;
  std::vector<Piece> pieces;  // by tensor, then by offset
  FencePtr written;           // what may still have been writing them when the span was made
  bool exported = false;  // for other processes: not the index's, and stays when the cache closes
};

}  // namespace vattention::memory

#endif  // VATTENTION_NATIVE_MEMORY_SLOT_H_
