#include "memory/page_export.h"

#include <unistd.h>

#include <cstring>
#include <unordered_map>
#include <utility>

#include "memory/cuda_identity.h"
#include "memory/reclaim.h"
#include "memory/sequences.h"
#include "memory/sharing.h"

namespace vattention::memory {
namespace {

// A tensor of the view by its distance from the reservation's start.
vattn_exported_tensor Relative(const vattn_tensor& tensor, uintptr_t base, uint64_t element_bytes,
                               size_t sequences, uint32_t longest) {
  vattn_exported_tensor relative;
  std::memset(&relative, 0, sizeof(relative));
  relative.size = sizeof(relative);
  relative.offset =
      static_cast<int64_t>((reinterpret_cast<uintptr_t>(tensor.data) - base) / element_bytes);
  std::copy(tensor.shape, tensor.shape + 4, relative.shape);
  std::copy(tensor.stride, tensor.stride + 4, relative.stride);
  relative.shape[0] = static_cast<int64_t>(sequences);
  relative.shape[1] = longest;
  return relative;
}

Status BackedLength(CacheCore* core, vattn_sequence sequence, uint32_t* length) {
  vattn_rows rows;
  std::memset(&rows, 0, sizeof(rows));
  rows.size = sizeof(rows);
  rows.backed_length = length;
  return Resolve(core, &sequence, 1, &rows);
}

// The point that the cache's own zeroing and copying is at.
Status AddOwnWork(Driver* driver, FencePtr* written) {
  std::unique_ptr<DriverEvent> event;
  if (DriverStatus status = driver->RecordOwn(&event); !status.ok()) {
    return Status::OfDriver(status, "recording a fence");
  }
  if (event == nullptr) return {};
  std::vector<Fence::Point> points;
  points.push_back({std::make_shared<AttachedStream>(), std::move(event)});
  *written = Fence::Both(std::move(*written), std::make_shared<Fence>(std::move(points)));
  return {};
}

}  // namespace

PageExport::PageExport(ContiguousCache* cache) : cache_(cache) {
  std::memset(&manifest_, 0, sizeof(manifest_));
  cache_->Retain();
}

Status PageExport::Create(ContiguousCache* cache, const vattn_sequence* sequences,
                          const uint32_t* lengths, int32_t count, bool writable,
                          std::unique_ptr<PageExport>* pages, FencePtr* written) {
  if (count < 1 || sequences == nullptr) {
    return Status::InvalidArgument("expected at least one sequence, received ", count, ".");
  }
  std::unique_ptr<PageExport> made(new PageExport(cache));
  if (Status status = made->HoldPages(sequences, lengths, count, written); !status.ok()) {
    return status;
  }
  if (Status status = made->ExportPages(writable); !status.ok()) return status;
  made->Describe(writable);
  *pages = std::move(made);
  return {};
}

PageExport::~PageExport() {
  for (const int file : files_) close(file);
  const auto give_up = [this] {
    for (const vattn_span id : spans_) {
      const auto found = core()->spans.find(id);
      for (const Span::Piece& piece : found->second.pieces) {
        core()->pool.Drop(piece.page, &Page::spans);
      }
      core()->spans.erase(found);
    }
    spans_.clear();
    for (Slot& slot : core()->slots) slot.maybe_dirty = slot.maybe_dirty || !slot.live();
    core()->changed.notify_all();
    core()->WakeMapper();
  };
  {
    Lock lock(core()->mutex);
    if (!core()->closed) give_up();
  }
  if (!spans_.empty()) {
    // Whoever closed the cache left these pages to us.
    std::lock_guard operation(core()->operation);
    Lock lock(core()->mutex);
    give_up();
    Tally tally;
    uint64_t released = 0;
    // What a failure leaves goes with the cache's last reference.
    static_cast<void>(
        ReleaseFree(core(), &lock, ~uint64_t{0}, EventThread::kCaller, &tally, &released));
  }
  if (cache_->Release()) delete cache_;
}

Status PageExport::HoldPages(const vattn_sequence* sequences, const uint32_t* lengths,
                             int32_t count, FencePtr* written) {
  for (int32_t i = 0; i < count; ++i) {
    uint32_t length = 0;
    if (Status status = BackedLength(core(), sequences[i], &length); !status.ok()) return status;
    if (lengths != nullptr) length = lengths[i];
    lengths_.push_back(length);
    if (length == 0) continue;
    vattn_span id = 0;
    if (Status status = CreateSpan(core(), sequences[i], 0, length, /*exported=*/true, &id);
        !status.ok()) {
      return status;
    }
    spans_.push_back(id);
    Lock lock(core()->mutex);
    const Span& span = core()->spans.at(id);
    *written = Fence::Both(std::move(*written), span.written);
    for (const Span::Piece& piece : span.pieces) {
      vattn_exported_page page;
      std::memset(&page, 0, sizeof(page));
      page.size = sizeof(page);
      page.sequence = i;
      page.offset = core()->tensor(piece.tensor).offset + piece.offset;
      page.bytes = core()->pool.page(piece.page).bytes;
      pages_.push_back(page);
      page_ids_.push_back(piece.page);
    }
  }
  return AddOwnWork(core()->port.driver(), written);
}

// Each page once, however many sequences show it.
Status PageExport::ExportPages(bool writable) {
  std::unordered_map<PageId, size_t> index;
  std::vector<PagePiece> pieces;
  {
    Lock lock(core()->mutex);
    for (const PageId id : page_ids_) {
      if (!index.emplace(id, pieces.size()).second) continue;
      const Page& page = core()->pool.page(id);
      pieces.push_back({page.handle, page.bytes});
    }
  }
  std::vector<PagePlace> places;
  if (!pieces.empty()) {
    const DriverStatus status = core()->port.driver()->Export(pieces, writable, &files_, &places);
    if (status.status == VATTN_UNSUPPORTED) {
      return Status::Error(VATTN_UNSUPPORTED, "the device shares no memory with other processes.");
    }
    if (!status.ok()) return Status::OfDriver(status, "exporting pages");
  }
  for (size_t i = 0; i < pages_.size(); ++i) {
    const PagePlace& place = places[index.at(page_ids_[i])];
    pages_[i].file = place.file;
    pages_[i].file_offset = place.offset;
  }
  return {};
}

void PageExport::Describe(bool writable) {
  const CacheConfig& config = core()->config;
  const Layout& layout = core()->layout;
  const uint32_t longest = *std::max_element(lengths_.begin(), lengths_.end());
  const auto relative = [&](const vattn_tensor& tensor) {
    return Relative(tensor, core()->base, layout.element_bytes, lengths_.size(), longest);
  };
  for (const vattn_tensor& key : cache_->tensors().key) keys_.push_back(relative(key));
  for (const vattn_tensor& value : cache_->tensors().value) values_.push_back(relative(value));

  manifest_.size = sizeof(manifest_);
  manifest_.version = VATTN_PAGE_MANIFEST_VERSION;
  manifest_.device_type = config.device_type;
  manifest_.device_index = config.device_index;
  if (cuda::Uuid uuid;
      config.device_type == VATTN_DEVICE_CUDA && cuda::FindUuid(config.device_index, &uuid)) {
    std::memcpy(manifest_.device_uuid, uuid.bytes, sizeof(uuid.bytes));
  }
  manifest_.dtype = config.shape.dtype;
  manifest_.layout = config.layout;
  manifest_.layer_group =
      config.layout == VATTN_LAYOUT_LAYER_GROUP ? static_cast<int32_t>(config.layer_group) : 0;
  manifest_.writable = writable ? 1 : 0;
  manifest_.layers = config.shape.layers;
  manifest_.sequences = static_cast<int32_t>(lengths_.size());
  manifest_.pages = static_cast<int32_t>(pages_.size());
  manifest_.files = static_cast<int32_t>(files_.size());
  manifest_.sequence_bytes = layout.slot_bytes;
  manifest_.length = lengths_.data();
  manifest_.page = pages_.data();
  manifest_.key = keys_.data();
  manifest_.value = values_.data();
}

}  // namespace vattention::memory
