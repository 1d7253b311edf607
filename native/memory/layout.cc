#include "memory/layout.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace vattention::memory {
namespace {

// Products and sums that stick at the largest value instead of wrapping: such a layout is refused.
constexpr uint64_t kTooMuch = ~uint64_t{0};

uint64_t Times(uint64_t a, uint64_t b) {
  uint64_t product;
  return __builtin_mul_overflow(a, b, &product) ? kTooMuch : product;
}
uint64_t Plus(uint64_t a, uint64_t b) {
  uint64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? kTooMuch : sum;
}
uint64_t RoundedUp(uint64_t value, uint64_t unit) {
  const uint64_t units = Plus(value, unit - 1) / unit;
  return Times(units, unit);
}
uint64_t LeastCommonMultiple(uint64_t a, uint64_t b) { return Times(a / std::gcd(a, b), b); }

uint64_t Reservation(const CacheConfig& config, uint64_t slot_bytes, uint64_t scratch) {
  return Plus(Times(slot_bytes, static_cast<uint64_t>(config.shape.max_sequences)), scratch);
}

void AddTensor(const CacheConfig& config, uint64_t row_bytes, Layout* layout) {
  const uint64_t rows = static_cast<uint64_t>(config.shape.max_length) + config.tail_rows;
  const uint64_t offset = layout->tensors.empty()
                              ? 0
                              : Plus(layout->tensors.back().offset, layout->tensors.back().extent);
  layout->tensors.push_back(
      {offset, RoundedUp(Times(rows, row_bytes), config.smallest()), row_bytes});
}

}  // namespace

Status MakeLayout(const CacheConfig& config, uint64_t max_reservation, Layout* layout) {
  const vattn_cache_shape& shape = config.shape;
  const auto layers = static_cast<uint32_t>(shape.layers);
  layout->element_bytes = ElementBytes(shape.dtype);
  layout->smallest_page_bytes = config.smallest();
  const uint64_t heads = static_cast<uint64_t>(shape.kv_heads) * layout->element_bytes;
  const uint64_t key_bytes = heads * static_cast<uint64_t>(shape.head_dim);
  const uint64_t value_bytes = heads * static_cast<uint64_t>(shape.value_head_dim);
  layout->bytes_per_token = layers * (key_bytes + value_bytes);

  if (config.layout == VATTN_LAYOUT_SPLIT) {
    for (uint32_t layer = 0; layer < layers; ++layer) {
      layout->key.push_back({2 * layer, 0});
      AddTensor(config, key_bytes, layout);
      layout->value.push_back({2 * layer + 1, 0});
      AddTensor(config, value_bytes, layout);
    }
  } else {
    const uint32_t group = config.layout == VATTN_LAYOUT_INTERLEAVED ? layers : config.layer_group;
    for (uint32_t layer = 0; layer < layers; ++layer) {
      const uint64_t in_row = (layer % group) * (key_bytes + value_bytes);
      layout->key.push_back({layer / group, in_row});
      layout->value.push_back({layer / group, in_row + key_bytes});
    }
    for (uint32_t first = 0; first < layers; first += group) {
      AddTensor(config, std::min(group, layers - first) * (key_bytes + value_bytes), layout);
    }
  }

  // Room for the sources of a batch of copies.
  constexpr uint64_t kScratchPages = 64;
  layout->scratch_bytes = std::max(config.largest(), kScratchPages * config.smallest());

  const TensorLayout& last = layout->tensors.back();
  const uint64_t used = Plus(last.offset, last.extent);
  uint64_t rows_unit = 1;
  for (const TensorLayout& tensor : layout->tensors) {
    rows_unit = LeastCommonMultiple(rows_unit, tensor.row_bytes);
  }
  const uint64_t units[] = {
      LeastCommonMultiple(rows_unit, config.largest()),
      LeastCommonMultiple(rows_unit, config.smallest()),
      config.largest(),
      config.smallest(),
  };
  for (const uint64_t unit : units) {
    layout->slot_bytes = unit == kTooMuch ? kTooMuch : RoundedUp(used, unit);
    layout->reserved_bytes = Reservation(config, layout->slot_bytes, layout->scratch_bytes);
    if (layout->reserved_bytes <= max_reservation) return {};
  }
  return Status::InvalidArgument("the cache needs ", layout->reserved_bytes,
                                 " bytes of address space, the process has at most ",
                                 max_reservation, "; lower max_sequences (", shape.max_sequences,
                                 ") or max_length (", shape.max_length, ").");
}

vattn_geometry GeometryOf(const CacheConfig&, const Layout& layout) {
  vattn_geometry geometry;
  std::memset(&geometry, 0, sizeof(geometry));
  geometry.size = sizeof(geometry);
  geometry.tensors = static_cast<int32_t>(layout.tensors.size());
  geometry.bytes_per_token = layout.bytes_per_token;
  geometry.smallest_page_bytes = layout.smallest_page_bytes;
  geometry.slot_bytes = layout.slot_bytes;
  geometry.reserved_bytes = layout.reserved_bytes;
  geometry.waste_bound_bytes = layout.tensors.size() * layout.smallest_page_bytes;
  geometry.row_bytes[0] = layout.tensors.front().row_bytes;
  geometry.row_bytes[1] = layout.tensors.back().row_bytes;
  return geometry;
}

LayerTensors MakeTensors(const CacheConfig& config, const Layout& layout, uintptr_t base) {
  const vattn_cache_shape& shape = config.shape;
  auto make = [&](const Layout::Place& place, int64_t head_dim) {
    const TensorLayout& tensor = layout.tensors[place.tensor];
    vattn_tensor view;
    std::memset(&view, 0, sizeof(view));
    view.data = reinterpret_cast<void*>(base + tensor.offset + place.in_row);
    view.dtype = shape.dtype;
    view.device_type = config.device_type;
    view.device_index = config.device_index;
    view.rank = 4;
    const int64_t sizes[] = {shape.max_sequences, shape.max_length, shape.kv_heads, head_dim};
    const int64_t strides[] = {static_cast<int64_t>(layout.slot_bytes / layout.element_bytes),
                               static_cast<int64_t>(tensor.row_bytes / layout.element_bytes),
                               head_dim, 1};
    std::copy(std::begin(sizes), std::end(sizes), view.shape);
    std::copy(std::begin(strides), std::end(strides), view.stride);
    return view;
  };
  LayerTensors tensors;
  for (int32_t layer = 0; layer < shape.layers; ++layer) {
    const auto i = static_cast<size_t>(layer);
    tensors.key.push_back(make(layout.key[i], shape.head_dim));
    tensors.value.push_back(make(layout.value[i], shape.value_head_dim));
  }
  return tensors;
}

}  // namespace vattention::memory
