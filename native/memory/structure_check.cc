#include "memory/structure_check.h"

#include <vector>

namespace vattention::memory {
namespace {

template <typename... Parts>
Status Broken(const Parts&... parts) {
  return Status::Error(VATTN_INTERNAL, "inconsistent: ", parts...);
}

struct Holds {
  uint32_t live = 0, pins = 0, spans = 0, parked = 0, fenced = 0, condemned = 0;
};

Status CountMaps(const CacheCore& core, std::vector<Holds>* holds, uint64_t* mappings) {
  const bool runs = core.port.limits().run_mapping;
  for (uint32_t s = 0; s < core.slots.size(); ++s) {
    const Slot& slot = core.slots[s];
    if (slot.busy != Busy::kNo) return Broken("slot ", s, " is busy while nobody works");
    if (slot.live() &&
        (!core.handles.IsLive(slot.sequence) || core.sequences[slot.sequence].slot != s)) {
      return Broken("slot ", s, " and its sequence do not name each other");
    }
    if (slot.fenced && (slot.live() || slot.fence == nullptr)) {
      return Broken("slot ", s, " is fenced without reason");
    }
    *mappings += slot.Mappings(runs);
    for (uint32_t t = 0; t < core.tensors(); ++t) {
      uint64_t at = 0;
      for (const MapEntry& entry : slot.maps[t].entries()) {
        const Page& page = core.pool.page(entry.page);
        if (page.bytes != entry.bytes || page.handle != entry.handle) {
          return Broken("slot ", s, " tensor ", t, " maps a page that is another now");
        }
        if (entry.offset < at || entry.end() > core.tensor(t).extent) {
          return Broken("slot ", s, " tensor ", t, " has an entry out of place at ", entry.offset);
        }
        at = entry.end();
        Holds& hold = (*holds)[entry.page];
        ++(slot.live() ? hold.live : hold.parked);
        if (slot.fenced) ++hold.fenced;
      }
    }
  }
  for (const Condemned& range : core.condemned) {
    *mappings += range.mappings;
    for (const MapEntry& entry : range.entries) ++(*holds)[entry.page].condemned;
  }
  return {};
}

Status CheckHolds(const CacheCore& core, const std::vector<Holds>& holds) {
  for (PageId id = 0; id < holds.size(); ++id) {
    const Page& page = core.pool.page(id);
    const Holds& hold = holds[id];
    if (hold.live != page.live || hold.parked != page.parked || hold.fenced != page.fenced ||
        hold.condemned != page.condemned || hold.spans != page.spans || hold.pins != page.pins) {
      return Broken("page ", id, " has ", page.live, "/", page.pins, "/", page.spans, "/",
                    page.parked, "/", page.fenced, "/", page.condemned,
                    " live/pins/spans/parked/fenced/condemned holds, found ", hold.live, "/",
                    hold.pins, "/", hold.spans, "/", hold.parked, "/", hold.fenced, "/",
                    hold.condemned);
    }
  }
  return {};
}

// A live sequence has every row up to its length and tail, and is not promised more than there is.
Status CheckSequences(CacheCore* core) {
  for (uint32_t i = 0; i < core->sequences.size(); ++i) {
    Sequence& sequence = core->sequences[i];
    if (!core->handles.IsLive(i)) {
      if (sequence.slot != kNone || sequence.share != nullptr) {
        return Broken("freed sequence ", i, " still holds memory");
      }
      continue;
    }
    if (sequence.slot == kNone) continue;
    const Slot& slot = core->slots[sequence.slot];
    const uint64_t first = core->FrontRow(sequence);
    const uint64_t last = uint64_t{sequence.backed} + core->config.tail_rows;
    for (uint32_t t = 0; t < core->tensors() && sequence.backed > 0; ++t) {
      const uint64_t row = core->tensor(t).row_bytes;
      uint64_t at = first * row;
      const auto& entries = slot.maps[t].entries();
      for (size_t e = slot.maps[t].FirstAfter(at); e < entries.size() && at < last * row; ++e) {
        if (entries[e].offset > at) break;
        at = entries[e].end();
      }
      if (at < last * row) {
        return Broken("sequence ", i, " tensor ", t, " misses bytes from ", at, " of ", last * row,
                      " for ", sequence.backed, " tokens and ", core->config.tail_rows,
                      " tail rows of ", row, " bytes");
      }
    }
    const uint32_t ready = sequence.ready;
    const uint32_t ahead_at = sequence.ahead_at;
    sequence.wanted = ready;  // looks as far as that
    core->UpdateReady(&sequence);
    sequence.wanted = 0;
    const uint32_t found = sequence.ready;
    sequence.ready = ready;
    sequence.ahead_at = ahead_at;
    if (ready > found) {
      return Broken("sequence ", i, " is ready for ", ready, " tokens, found ", found);
    }
  }
  return {};
}

Status CheckAll(CacheCore* core) {
  if (const char* wrong = core->pool.FindInconsistency()) return Broken(wrong);
  std::vector<Holds> holds(core->pool.records());
  uint64_t mappings = 0;
  if (Status status = CountMaps(*core, &holds, &mappings); !status.ok()) return status;
  for (const auto& [id, span] : core->spans) {
    for (const Span::Piece& piece : span.pieces) ++holds[piece.page].spans;
  }
  for (const Sequence& sequence : core->sequences) {
    if (sequence.share == nullptr) continue;
    for (const Share::Segment& segment : sequence.share->segments) ++holds[segment.page].pins;
  }
  if (Status status = CheckHolds(*core, holds); !status.ok()) return status;
  if (mappings != core->live_mappings) {
    return Broken("mappings are ", mappings, ", charged are ", core->live_mappings);
  }
  if (core->creating_bytes != 0 || core->mapping_promises != 0) {
    return Broken("promises of work that nobody does: ", core->creating_bytes, " bytes, ",
                  core->mapping_promises, " mappings");
  }
  std::vector<uint32_t> ranges(core->slots.size());
  for (const Condemned& range : core->condemned) ++ranges[range.slot];
  for (uint32_t s = 0; s < core->slots.size(); ++s) {
    if (ranges[s] != core->slots[s].condemned) return Broken("condemned ranges of slot ", s);
  }
  return CheckSequences(core);
}

}  // namespace

Status CheckStructure(CacheCore* core) {
  std::lock_guard operation(core->operation);
  Lock lock(core->mutex);
  if (Status status = core->CheckOpen(); !status.ok()) return status;
  const MapperHold hold(core, &lock);
  return CheckAll(core);
}

}  // namespace vattention::memory
