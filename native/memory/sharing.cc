#include "memory/sharing.h"

#include <algorithm>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "memory/sequences.h"

namespace vattention::memory {
namespace {

void Pin(CacheCore* core, Share* share) {
  for (const Share::Segment& segment : share->segments) {
    core->pool.Add(segment.page, &Page::pins);
    core->pool.Protect(segment.page, segment.valid);
  }
}

// What a live sequence shows of its tokens [front, length).
void SegmentsOfSlot(const CacheCore& core, const Sequence& source, uint32_t length, Share* share) {
  const Slot& slot = core.slots[source.slot];
  const uint64_t front = core.FrontRow(source);
  for (uint32_t t = 0; t < core.tensors(); ++t) {
    const uint64_t row = core.tensor(t).row_bytes;
    const uint64_t end = length * row;
    const auto& entries = slot.maps[t].entries();
    for (size_t i = slot.maps[t].FirstAfter(front * row);
         i < entries.size() && entries[i].offset < end; ++i) {
      const MapEntry& entry = entries[i];
      share->segments.push_back({t, entry.offset, std::min(entry.end(), end) - entry.offset,
                                 entry.page, entry.end() <= end});
    }
  }
}

// The same of a sequence that is itself only reserved.
void SegmentsOfShare(const CacheCore& core, const Share& source, uint32_t length, Share* share) {
  for (Share::Segment segment : source.segments) {
    const uint64_t end = length * core.tensor(segment.tensor).row_bytes;
    if (segment.offset >= end) continue;
    segment.valid = std::min(segment.valid, end - segment.offset);
    segment.alias = segment.alias && segment.valid == core.pool.page(segment.page).bytes;
    share->segments.push_back(segment);
  }
}

// What a chain of spans shows of tokens [0, length). At every place the page comes from the last
// span that has one there: its sequence held all earlier rows in that page too.
bool SegmentsOfChain(const CacheCore& core, const std::vector<const Span*>& chain, uint32_t length,
                     Share* share) {
  for (uint32_t t = 0; t < core.tensors(); ++t) {
    const size_t first = share->segments.size();
    uint64_t open = length * core.tensor(t).row_bytes;  // bytes [0, open) have no page yet
    for (size_t s = chain.size(); s-- > 0 && open > 0;) {
      const auto& pieces = chain[s]->pieces;
      auto before = [](const Span::Piece& piece, uint32_t tensor) { return piece.tensor < tensor; };
      const auto begin = std::lower_bound(pieces.begin(), pieces.end(), t, before);
      const auto end = std::lower_bound(begin, pieces.end(), t + 1, before);
      for (auto p = end; p != begin && open > 0;) {
        const Span::Piece& piece = *--p;
        if (piece.offset >= open) continue;
        const uint64_t bytes = core.pool.page(piece.page).bytes;
        if (piece.offset + bytes < open) return false;
        share->segments.push_back(
            {t, piece.offset, open - piece.offset, piece.page, piece.offset + bytes == open});
        open = piece.offset;
      }
    }
    if (open > 0) return false;
    std::reverse(share->segments.begin() + static_cast<std::ptrdiff_t>(first),
                 share->segments.end());
  }
  return true;
}

}  // namespace

Status Fork(CacheCore* core, vattn_sequence source_handle, uint32_t length,
            vattn_sequence* handle) {
  Lock lock(core->mutex);
  uint32_t source_index;
  if (Status status = core->FindSettled(&lock, source_handle, &source_index); !status.ok()) {
    return status;
  }
  const Sequence& source = core->sequences[source_index];
  const uint32_t first = source.share != nullptr ? source.share->first_kept : source.first_kept;
  if (length > source.Length()) {
    return Status::Error(VATTN_NOT_BACKED, "expected a length up to ", source.Length(),
                         ", which sequence ", source_handle, " has, received ", length,
                         "; step it first.");
  }
  if (length < first) {
    return Status::InvalidArgument("expected a length of at least ", first,
                                   ", the first token that sequence ", source_handle,
                                   " still holds, received ", length, ".");
  }
  auto share = std::make_unique<Share>();
  share->length = length;
  share->first_kept = first;
  if (length > 0) {
    FencePtr fence;
    if (Status status = core->streams.RecordAll(&fence); !status.ok()) return status;
    if (source.share != nullptr) {
      SegmentsOfShare(*core, *source.share, length, share.get());
      share->written = Fence::Both(source.share->written, std::move(fence));
    } else {
      SegmentsOfSlot(*core, source, length, share.get());
      share->written = std::move(fence);
    }
  }
  uint32_t index;
  if (Status status = NewSequence(core, handle, &index); !status.ok()) return status;
  if (length > 0) {
    Pin(core, share.get());
    core->sequences[index].share = std::move(share);
  }
  return {};
}

Status CreateSpan(CacheCore* core, vattn_sequence handle, uint32_t from, uint32_t to, bool exported,
                  vattn_span* id) {
  Lock lock(core->mutex);
  uint32_t index;
  if (Status status = core->FindSettled(&lock, handle, &index); !status.ok()) return status;
  const Sequence& sequence = core->sequences[index];
  if (from >= to) {
    return Status::InvalidArgument("expected from < to, received [", from, ", ", to, ").");
  }
  if (to > sequence.backed) {
    return Status::Error(VATTN_NOT_BACKED, "expected a span within the ", sequence.backed,
                         " backed tokens of sequence ", handle, ", received [", from, ", ", to,
                         "); step first.");
  }
  if (core->FrontRow(sequence) > 0) {
    return Status::Error(VATTN_NOT_BACKED, "sequence ", handle, " has slid to token ",
                         sequence.first_kept,
                         ": its first tokens are gone, and a prefix begins with them.");
  }
  Span span;
  span.from = from;
  span.to = to;
  span.exported = exported;
  if (Status status = core->streams.RecordAll(&span.written); !status.ok()) return status;
  const Slot& slot = core->slots[sequence.slot];
  for (uint32_t t = 0; t < core->tensors(); ++t) {
    const uint64_t row = core->tensor(t).row_bytes;
    const auto& entries = slot.maps[t].entries();
    for (size_t i = slot.maps[t].FirstAfter(from * row);
         i < entries.size() && entries[i].offset < to * row; ++i) {
      const MapEntry& entry = entries[i];
      core->pool.Add(entry.page, &Page::spans);
      core->pool.Protect(entry.page, std::min(entry.end(), to * row) - entry.offset);
      span.pieces.push_back({t, entry.offset, entry.page});
    }
  }
  while (core->next_span == 0 || core->spans.contains(core->next_span)) ++core->next_span;
  *id = core->next_span++;
  core->spans.emplace(*id, std::move(span));
  return {};
}

Status ReleaseSpan(CacheCore* core, vattn_span id, uint64_t* freed_bytes) {
  if (freed_bytes != nullptr) *freed_bytes = 0;
  Lock lock(core->mutex);
  if (Status status = core->CheckOpen(); !status.ok()) return status;
  const auto found = core->spans.find(id);
  if (found == core->spans.end() || found->second.exported) {
    return Status::InvalidArgument("expected a span of this cache, received ", id,
                                   ", which was released or never made.");
  }
  const uint64_t before = core->pool.bytes_in(PageState::kRetained);
  for (const Span::Piece& piece : found->second.pieces) core->pool.Drop(piece.page, &Page::spans);
  core->spans.erase(found);
  const uint64_t freed = before - core->pool.bytes_in(PageState::kRetained);
  if (freed_bytes != nullptr) *freed_bytes = freed;
  if (freed > 0) {
    // Parked pages among them can be zeroed and given away now.
    for (Slot& slot : core->slots) slot.maybe_dirty = slot.maybe_dirty || !slot.live();
    core->changed.notify_all();
    core->WakeMapper();
  }
  return {};
}

uint64_t RetainedForExports(const CacheCore& core) {
  std::unordered_map<PageId, uint32_t> held;  // by how many spans of exports
  for (const auto& [id, span] : core.spans) {
    if (!span.exported) continue;
    for (const Span::Piece& piece : span.pieces) ++held[piece.page];
  }
  uint64_t bytes = 0;
  for (const auto& [id, spans] : held) {
    const Page& page = core.pool.page(id);
    if (page.state() == PageState::kRetained && page.spans == spans) bytes += page.bytes;
  }
  return bytes;
}

Status AllocateShared(CacheCore* core, const vattn_span* ids, int32_t count, uint32_t length,
                      vattn_sequence* handle) {
  if (count < 1 || ids == nullptr || length == 0) {
    return Status::InvalidArgument("expected at least one span and one token, received ", count,
                                   " spans and length ", length, ".");
  }
  Lock lock(core->mutex);
  if (Status status = core->CheckOpen(); !status.ok()) return status;
  auto share = std::make_unique<Share>();
  share->length = length;
  std::vector<const Span*> chain;
  uint32_t covered = 0;
  for (int32_t i = 0; i < count; ++i) {
    const auto found = core->spans.find(ids[i]);
    if (found == core->spans.end()) {
      return Status::InvalidArgument("expected spans of this cache, received ", ids[i],
                                     ", which was released or never made.");
    }
    const Span& span = found->second;
    if (span.from > covered || span.to < covered) {
      return Status::InvalidArgument(
          "expected spans that follow each other from token 0 on, "
          "received [",
          span.from, ", ", span.to, ") after token ", covered, ".");
    }
    covered = span.to;
    chain.push_back(&span);
    share->written = Fence::Both(std::move(share->written), span.written);
  }
  if (length > covered) {
    return Status::InvalidArgument("expected a length up to ", covered,
                                   ", which the spans cover, received ", length, ".");
  }
  if (!SegmentsOfChain(*core, chain, length, share.get())) {
    return Status::InvalidArgument(
        "expected spans of one line of tokens: the pages of these do not "
        "follow each other.");
  }
  uint32_t index;
  if (Status status = NewSequence(core, handle, &index); !status.ok()) return status;
  Pin(core, share.get());
  core->sequences[index].share = std::move(share);
  return {};
}

}  // namespace vattention::memory
