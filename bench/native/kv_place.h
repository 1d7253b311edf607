// Where keys and values lie: in one allocation of the CUDA runtime, or in a cache of ours. The same
// numbers are in all of them.
#ifndef VATTENTION_BENCH_NATIVE_KV_PLACE_H_
#define VATTENTION_BENCH_NATIVE_KV_PLACE_H_

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "attention/cuda/device_buffer.h"
#include "vattention/attention.h"

namespace vattention::bench {

// Rows behind each sequence that FlashAttention-3 reads: its largest causal tile.
inline constexpr int32_t kTailRows = 128;

struct KvShape {
  int32_t layers;
  int32_t sequences;
  int32_t length;  // of each
  bool interleaved = false;
};

// Random normal numbers on the device, copied to wherever keys and values lie.
class Noise {
 public:
  explicit Noise(uint64_t seed);
  // `rows` rows of a token's elements, `pitch` bytes apart; which ones depends on `salt`.
  void CopyRows(void* to, int64_t pitch, int64_t rows, int64_t salt) const;

 private:
  attention::cuda::DeviceBuffer rows_;
};

// Sequence i is in slot or table row i.
class KvPlace {
 public:
  virtual ~KvPlace() = default;
  KvPlace(const KvPlace&) = delete;
  KvPlace& operator=(const KvPlace&) = delete;

  const vattn_cache_view& view() const { return view_; }
  // A pass in which every sequence has `query` new tokens. Points into this object.
  vattn_batch Batch(uint32_t query);
  int32_t table_stride() const { return table_stride_; }
  const std::vector<int32_t>& table() const { return table_; }

 protected:
  explicit KvPlace(const KvShape& shape);

  const KvShape shape_;
  vattn_cache_view view_{};
  std::vector<vattn_tensor> key_, value_;  // [layers], when the view is made here
  std::vector<uint32_t> slot_, backed_, first_kept_, query_, kv_;
  std::vector<int32_t> table_;  // paged
  int32_t table_stride_ = 0;
};

// cudaMalloc: [sequence, row, KV head, dim] for each layer's keys and values.
class AllocatedKv final : public KvPlace {
 public:
  AllocatedKv(const KvShape& shape, const Noise& noise);
  int64_t slot_rows() const { return slot_rows_; }

 private:
  const int64_t slot_rows_;
  std::vector<attention::cuda::DeviceBuffer> memory_;
};

// A cache of this repository on the device, and sequences of it that are backed.
class CachedKv final : public KvPlace {
 public:
  using Close = vattn_status (*)(vattn_cache*, vattn_error*);

  // Takes the reference.
  CachedKv(const KvShape& shape, const vattn_cache_ref& ref, Close close);
  ~CachedKv() override;

  const vattn_cache_ref& ref() const { return ref_; }
  // Asks the cache where the sequences are, as every pass does.
  void Resolve();

 private:
  const vattn_cache_ref ref_;
  const Close close_;
  std::vector<vattn_sequence> sequences_;
};

// The contiguous cache: pages mapped on demand.
std::unique_ptr<CachedKv> MakePagesKv(const KvShape& shape, const Noise& noise);
// The paged cache, in the published layout of PagedAttention.
std::unique_ptr<CachedKv> MakeBlocksKv(const KvShape& shape, int32_t block_tokens,
                                       const Noise& noise);

}  // namespace vattention::bench

#endif  // VATTENTION_BENCH_NATIVE_KV_PLACE_H_
