#include "attention/cuda/staging.h"

namespace vattention::attention::cuda {

// A pass is over before the one after the next is prepared, as a rule.
constexpr size_t kFirstEntries = 3;

Staging::Entry::~Entry() {
  if (copied != nullptr) cudaEventDestroy(copied);
}

Staging::~Staging() {
  // Pinned memory must not go while a copy reads it.
  for (const auto& entry : entries_) cudaEventSynchronize(entry->copied);
}

std::unique_ptr<Staging::Entry> Staging::MakeEntry() const {
  auto entry = std::make_unique<Entry>();
  entry->memory = PinnedBuffer(bytes());
  Check(cudaEventCreateWithFlags(&entry->copied, cudaEventDisableTiming), "cudaEventCreate");
  return entry;
}

void Staging::Allocate() {
  device_ = DeviceBuffer(bytes());
  while (entries_.size() < kFirstEntries) entries_.push_back(MakeEntry());
}

void Staging::Begin() {
  const size_t next = (current_ + 1) % entries_.size();
  const cudaError_t state = cudaEventQuery(entries_[next]->copied);
  if (state == cudaErrorNotReady) {
    (void)cudaGetLastError();
    entries_.insert(entries_.begin() + static_cast<ptrdiff_t>(next), MakeEntry());
  } else {
    Check(state, "cudaEventQuery");
  }
  current_ = next;
}

void Staging::Upload(cudaStream_t stream) {
  Entry& entry = *entries_[current_];
  Check(cudaMemcpyAsync(device_.data(), entry.memory.data(), used_, cudaMemcpyHostToDevice, stream),
        "cudaMemcpyAsync");
  MarkCopied(stream);
}

void Staging::MarkCopied(cudaStream_t stream) {
  Check(cudaEventRecord(entries_[current_]->copied, stream), "cudaEventRecord");
}

}  // namespace vattention::attention::cuda
