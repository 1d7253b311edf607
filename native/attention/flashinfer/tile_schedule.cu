#include <algorithm>
#include <flashinfer/attention/scheduler.cuh>
#include <vector>

#include "attention/flashinfer/tile_schedule.h"

namespace vattention::flashinfer {

namespace {

constexpr int64_t kAlignment = 16;
// The arrays of a schedule, each padded to the alignment.
constexpr int64_t kArrays = 9;

int64_t CeilDiv(int64_t value, int64_t step) { return (value + step - 1) / step; }

// Of partial results. A tile's rows are queries x query heads of a KV head.
int64_t PartialRows(int64_t blocks, int64_t tile_rows, int64_t group) {
  return CeilDiv(blocks * tile_rows, group);
}

// Puts arrays one behind the other into the buffer on the host, and says where the device finds
// them. Too little room: upstream's exception.
class Writer {
 public:
  explicit Writer(const ScheduleBuffers& buffers)
      : host_(static_cast<char*>(buffers.host)),
        device_(static_cast<char*>(buffers.device)),
        allocator_(buffers.bytes) {}

  // Room for `count`, of which `values` are the first.
  template <typename T>
  T* Put(const std::vector<T>& values, size_t count) {
    T* host = nullptr;
    T* device = Take(count, &host);
    std::copy(values.begin(), values.end(), host);
    return device;
  }
  template <typename T>
  T* Put(T value) {
    T* host = nullptr;
    T* device = Take(1, &host);
    *host = value;
    return device;
  }
  // The first `count` of `all` are true.
  bool* PutMask(size_t count, size_t all) {
    bool* host = nullptr;
    bool* device = Take(all, &host);
    std::fill_n(host, all, false);
    std::fill_n(host, count, true);
    return device;
  }
  size_t bytes() { return allocator_.num_allocated_bytes(); }

 private:
  template <typename T>
  T* Take(size_t count, T** host) {
    const auto offset = allocator_.aligned_alloc_offset(count * sizeof(T), kAlignment, "schedule");
    *host = reinterpret_cast<T*>(host_ + offset);
    return reinterpret_cast<T*>(device_ + offset);
  }

  char* host_;
  char* device_;
  ::flashinfer::AlignedAllocator allocator_;
};

}  // namespace

int32_t DecodeTileRows(int32_t group, int32_t head_dim) {
  return group <= 16 ? 16 : group <= 64 || head_dim >= 256 ? 64 : 128;
}

size_t ScheduleBytes(int64_t sequences, int64_t rows, int64_t group, int64_t blocks) {
  // A tile has 16 rows only where sequences have 16 on average, and else 64 at least: so there are
  // at most two for each sequence, and one for each 64 rows. A sum, and not the larger of the two:
  // the bytes of all groups of a pass are then at most those of one group of all, and of as many
  // empty ones.
  const int64_t padded = blocks + 2 * sequences + CeilDiv(rows * group, 64);
  const int64_t numbers = 3 * padded + (sequences + 1) + (rows + 1) + 2;
  return static_cast<size_t>(numbers * int64_t{sizeof(int32_t)} + padded + kArrays * kAlignment);
}

size_t PartialBytes(int64_t blocks, int64_t tile_rows, int64_t query_heads, int64_t kv_heads,
                    int64_t head_dim) {
  const int64_t rows = PartialRows(blocks, tile_rows, query_heads / kv_heads);
  return static_cast<size_t>(query_heads * rows * (head_dim + 1) * int64_t{sizeof(float)} +
                             2 * kAlignment);
}

TileSchedule MakeTileSchedule(const ScheduleInput& input, const ScheduleBuffers& buffers) {
  const auto [divided, used, blocks, tile_rows, part_tokens, sequence, query_tile, key_part,
              merge_start, output_start] =
      ::flashinfer::PrefillSplitQOKVIndptr<int32_t>(
          const_cast<int32_t*>(input.query_start), const_cast<int32_t*>(input.page_start),
          static_cast<uint32_t>(input.rows), static_cast<uint32_t>(input.sequences),
          static_cast<uint32_t>(input.query_heads), static_cast<uint32_t>(input.kv_heads),
          static_cast<uint32_t>(input.head_dim), static_cast<uint32_t>(input.page_tokens),
          static_cast<uint32_t>(input.blocks), input.graph, input.window - 1,
          input.split_pages > 0 ? input.split_pages : -1, input.whole,
          /*uniform_q_len=*/input.graph ? 1 : -1, static_cast<uint32_t>(input.head_dim),
          static_cast<uint32_t>(input.cache_element_bytes));
  TileSchedule schedule{};
  schedule.tile_rows = static_cast<int32_t>(tile_rows);
  schedule.blocks = static_cast<int32_t>(blocks);
  schedule.rows = input.rows;
  Writer writer(buffers);
  schedule.sequence = writer.Put(sequence, blocks);
  schedule.query_tile = writer.Put(query_tile, blocks);
  schedule.key_part = writer.Put(key_part, blocks);
  schedule.output_start = writer.Put(output_start, output_start.size());
  schedule.part_tokens = writer.Put(static_cast<int32_t>(part_tokens));
  if (divided) {
    schedule.merge_start = writer.Put(merge_start, merge_start.size());
    ::flashinfer::AlignedAllocator partial(buffers.partial, buffers.partial_bytes);
    const auto rows = PartialRows(static_cast<int64_t>(blocks), schedule.tile_rows,
                                  input.query_heads / input.kv_heads);
    const size_t heads = static_cast<size_t>(rows * input.query_heads);
    schedule.partial_output = partial.aligned_alloc<float>(
        heads * static_cast<size_t>(input.head_dim) * sizeof(float), kAlignment, "partial output");
    schedule.partial_lse =
        partial.aligned_alloc<float>(heads * sizeof(float), kAlignment, "partial LSE");
  }
  if (input.graph) {
    // Thread blocks beyond those of the batch at hand are launched, too.
    schedule.valid = writer.PutMask(used, blocks);
    schedule.valid_rows = writer.Put(static_cast<uint32_t>(input.query_start[input.sequences]));
  }
  schedule.bytes = writer.bytes();
  return schedule;
}

}  // namespace vattention::flashinfer
