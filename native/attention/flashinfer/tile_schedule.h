// Which thread block attends to which queries and which part of the keys: FlashInfer's plan of a
// group of sequences, made once a pass and used by every layer.
#ifndef VATTENTION_ATTENTION_FLASHINFER_TILE_SCHEDULE_H_
#define VATTENTION_ATTENTION_FLASHINFER_TILE_SCHEDULE_H_

#include <cstddef>
#include <cstdint>

namespace vattention::flashinfer {

// What a schedule is made from. Arrays are on the host.
struct ScheduleInput {
  const int32_t* query_start;  // [sequences + 1], in rows
  const int32_t* page_start;   // [sequences + 1], in pages
  int32_t sequences;
  int32_t rows;
  int32_t query_heads;
  int32_t kv_heads;
  int32_t head_dim;
  int32_t page_tokens;
  int32_t element_bytes;  // of query and output
  int32_t cache_element_bytes;
  int32_t window;  // tokens visible; 0: all
  int32_t blocks;  // that run at once on the device, for each KV head
  bool graph;      // one row of each sequence; the same grid and the same places in every pass
  // Pages of a part of the keys whatever the other sequences are; 0: as few as fill the device.
  int32_t split_pages;
  bool whole;  // keys are not divided
};

// Where a schedule's numbers and its kernels' partial results lie.
struct ScheduleBuffers {
  void* host;  // pinned
  void* device;
  size_t bytes;
  void* partial;
  size_t partial_bytes;
};

// On the device, but for the numbers.
struct TileSchedule {
  size_t bytes;       // of the buffers' that it takes
  int32_t tile_rows;  // queries x query heads of a KV head that a thread block handles
  int32_t blocks;     // for each KV head
  int32_t rows;
  int32_t* sequence;      // [blocks]
  int32_t* query_tile;    // [blocks]
  int32_t* key_part;      // [blocks]
  int32_t* output_start;  // [sequences + 1]: rows of output, or of partial results
  int32_t* merge_start;   // [rows + 1]: partial results of each row; NULL: keys are not divided
  int32_t* part_tokens;   // one number
  bool* valid;            // [blocks]; NULL: all are
  uint32_t* valid_rows;   // one number; NULL: all are
  void* partial_output;   // NULL: keys are not divided
  float* partial_lse;
};

// Bytes of `host` and `device` for a group of that size. `blocks`: those that run at once on the
// device, for each KV head.
size_t ScheduleBytes(int64_t sequences, int64_t rows, int64_t group, int64_t blocks);
// Rows of a thread block when every sequence has one query.
int32_t DecodeTileRows(int32_t group, int32_t head_dim);
// Bytes of `partial` for schedules of up to that many blocks of `tile_rows` rows.
size_t PartialBytes(int64_t blocks, int64_t tile_rows, int64_t query_heads, int64_t kv_heads,
                    int64_t head_dim);

// Upstream's PrefillPlan but for the copy: the schedule is made in the host's buffer, and the
// caller copies it to the device with what else a pass needs there. Throws upstream's exceptions.
TileSchedule MakeTileSchedule(const ScheduleInput& input, const ScheduleBuffers& buffers);

}  // namespace vattention::flashinfer

#endif  // VATTENTION_ATTENTION_FLASHINFER_TILE_SCHEDULE_H_
