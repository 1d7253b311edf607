// Where K and V of every layer lie in the reservation.
//
//   reservation  | slot 0                              | slot 1              | ... | scratch |
//   one slot     | tensor 0        | tensor 1          | ... | unused up to slot_bytes |
//   one tensor   | row 0 | row 1 | ... | row max_length - 1 | tail rows | up to a page |
//   one row      one token:  interleaved   [layer][K heads, V heads]   1 tensor
//                            layer group   the same for `layer_group` layers per tensor
//                            split         K heads or V heads of one layer, 2 x layers tensors
//
// `slot_bytes` is a multiple of every row's bytes and of the largest page class, where address
// space allows, so that a slot is also a whole number of rows and of pages.
#ifndef VATTENTION_NATIVE_MEMORY_LAYOUT_H_
#define VATTENTION_NATIVE_MEMORY_LAYOUT_H_

#include <cstdint>
#include <vector>

#include "memory/cache_config.h"
#include "memory/status.h"
#include "vattention/contiguous_cache.h"

namespace vattention::memory {

struct TensorLayout {
  uint64_t offset;     // from the start of the slot
  uint64_t extent;     // bytes, a multiple of the smallest page class
  uint64_t row_bytes;  // one token
};

struct Layout {
  // Where one layer's K or V is.
  struct Place {
    uint32_t tensor;
    uint64_t in_row;  // bytes from the start of a row
  };
  std::vector<TensorLayout> tensors;
  std::vector<Place> key;    // [layers]
  std::vector<Place> value;  // [layers]
  uint64_t bytes_per_token = 0;
  uint64_t element_bytes = 0;
  uint64_t smallest_page_bytes = 0;
  uint64_t slot_bytes = 0;
  uint64_t scratch_bytes = 0;   // at the end of the reservation: where copies find their source
  uint64_t reserved_bytes = 0;  // all slots and the scratch range

  uint64_t TensorAddress(uintptr_t base, uint32_t slot, uint32_t tensor) const {
    return base + slot * slot_bytes + tensors[tensor].offset;
  }
  uint64_t ScratchOffset() const { return reserved_bytes - scratch_bytes; }
};

// VATTN_INVALID_ARGUMENT when it would need more address space than the driver has.
Status MakeLayout(const CacheConfig& config, uint64_t max_reservation, Layout* layout);

// What a caller may know about it.
vattn_geometry GeometryOf(const CacheConfig& config, const Layout& layout);

// Strided tensors of every layer over a reservation at `base`.
struct LayerTensors {
  std::vector<vattn_tensor> key;    // [layers] of [slot, token, kvHead, dim]
  std::vector<vattn_tensor> value;  // [layers]
};
LayerTensors MakeTensors(const CacheConfig& config, const Layout& layout, uintptr_t base);

}  // namespace vattention::memory

#endif  // VATTENTION_NATIVE_MEMORY_LAYOUT_H_
