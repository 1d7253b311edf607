#include "paged/pool_memory.h"

#include <algorithm>
#include <array>
#include <limits>

namespace vattention::paged {
namespace {

constexpr uint64_t kTensorAlignment = 256;  // what CUDA's own allocator gives
constexpr int64_t kVectorBytes = 16;        // "x" of the published layout: one 128-bit load
// Pages created in one driver call: less than the runs that a driver may be able to make.
constexpr uint64_t kCreateBytes = uint64_t{64} << 20;
constexpr std::array kBlockSizes = {1, 8, 16, 32, 64, 128, 256};

constexpr uint64_t RoundUp(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

int64_t ElementBytes(int32_t dtype) {
  switch (dtype) {
    case VATTN_FLOAT32:
      return 4;
    case VATTN_FLOAT16:
    case VATTN_BFLOAT16:
      return 2;
    case VATTN_FLOAT8_E4M3:
      return 1;
    default:
      return 0;  // not an element type of a cache
  }
}

std::string Expect(const char* name, const char* expected, int64_t received) {
  return std::string("Expected ") + expected + " for " + name + ", received " +
         std::to_string(received) + ".";
}

}  // namespace

std::string ComputeGeometry(const vattn_paged_options& options, PoolGeometry* geometry,
                            vattn_status* status) {
  const vattn_cache_shape& shape = options.shape;
  *status = VATTN_INVALID_ARGUMENT;
  const struct {
    const char* name;
    int64_t value;
    int64_t most;
  } counts[] = {
      {"layers", shape.layers, 1 << 16},
      {"kvHeads", shape.kv_heads, 1 << 16},
      {"headDim", shape.head_dim, 1 << 16},
      {"valueHeadDim", shape.value_head_dim, 1 << 16},
      {"maxSequences", shape.max_sequences, 1 << 24},
      {"maxLength", shape.max_length, std::numeric_limits<int32_t>::max()},
  };
  for (const auto& [name, value, most] : counts) {
    if (value < 1) return Expect(name, "a positive integer", value);
    if (value > most) {
      return Expect(name, ("at most " + std::to_string(most)).c_str(), value);
    }
  }
  const int64_t element = ElementBytes(shape.dtype);
  if (element == 0) return Expect("dtype", "a floating-point element type", shape.dtype);
  if (std::ranges::find(kBlockSizes, options.block_tokens) == kBlockSizes.end()) {
    return Expect("blockTokens", "1, 8, 16, 32, 64, 128 or 256", options.block_tokens);
  }
  if (options.pool_layout != VATTN_POOL_NHD && options.pool_layout != VATTN_POOL_PAGED_ATTENTION) {
    return Expect("poolLayout", "nhd (0) or paged-attention (1)", options.pool_layout);
  }
  if (options.pool_layout == VATTN_POOL_PAGED_ATTENTION &&
      shape.head_dim * element % kVectorBytes != 0) {
    *status = VATTN_UNSUPPORTED;
    return "The paged-attention layout cuts keys into pieces of 16 bytes: expected a multiple of " +
           std::to_string(kVectorBytes / element) + " for headDim, received " +
           std::to_string(shape.head_dim) + ". Use the nhd layout.";
  }
  if (options.hash_bits < 0 || options.hash_bits > 64) {
    return Expect("hash_bits", "0 to 64", options.hash_bits);
  }

  geometry->block_tokens = options.block_tokens;
  geometry->max_blocks =
      static_cast<int32_t>((shape.max_length + options.block_tokens - 1) / options.block_tokens);
  geometry->element_bytes = element;
  geometry->key_row_bytes = int64_t{shape.kv_heads} * shape.head_dim * element;
  geometry->value_row_bytes = int64_t{shape.kv_heads} * shape.value_head_dim * element;
  geometry->bytes_per_token =
      static_cast<uint64_t>(shape.layers) *
      static_cast<uint64_t>(geometry->key_row_bytes + geometry->value_row_bytes);
  geometry->block_bytes = geometry->bytes_per_token * static_cast<uint64_t>(options.block_tokens);
  const uint64_t blocks = options.limit_bytes / geometry->block_bytes;
  if (blocks < 1) {
    return "Expected at least one block (" + std::to_string(geometry->block_bytes) +
           " bytes for all layers) for limitBytes, received " +
           std::to_string(options.limit_bytes) + ".";
  }
  if (blocks > static_cast<uint64_t>(std::numeric_limits<int32_t>::max() / 2)) {
    return "Expected a pool of fewer than 2^30 blocks, received limitBytes for " +
           std::to_string(blocks) + ". Use larger blocks.";
  }
  geometry->blocks = static_cast<int32_t>(blocks);
  geometry->pool_bytes = blocks * geometry->block_bytes;
  const uint64_t key_bytes =
      blocks * static_cast<uint64_t>(options.block_tokens * geometry->key_row_bytes);
  const uint64_t value_bytes =
      blocks * static_cast<uint64_t>(options.block_tokens * geometry->value_row_bytes);
  geometry->tensor_bytes =
      static_cast<uint64_t>(shape.layers) *
      (RoundUp(key_bytes, kTensorAlignment) + RoundUp(value_bytes, kTensorAlignment));
  *status = VATTN_OK;
  return "";
}

uint64_t InPages(uint64_t bytes, const DriverLimits& limits) {
  return RoundUp(bytes, limits.page_classes.front());
}

PoolMemory::~PoolMemory() {
  if (base_ != 0) Discard();
}

// Nobody can be told about a failure here. A second attempt helps against a passing one; the
// addresses go in any case, and what is left of the memory goes with the driver.
void PoolMemory::Discard() {
  if (!Close().ok()) static_cast<void>(Close());
  static_cast<void>(driver_->FreeReservation(base_, reserved_bytes_));
  pages_.clear();
  mapped_bytes_ = 0;
  base_ = 0;
}

DriverStatus PoolMemory::Open(const vattn_paged_options& options, const PoolGeometry& geometry,
                              Driver* driver) {
  driver_ = driver;
  geometry_ = geometry;
  const DriverLimits& limits = driver->limits();
  const uint64_t bytes = InPages(geometry.tensor_bytes, limits);
  DriverStatus status = driver->Reserve(bytes, &base_);
  if (!status.ok()) {
    base_ = 0;
    return status;
  }
  reserved_bytes_ = bytes;

  // The largest pages first: fewest handles, and each at an address aligned to its size.
  uint64_t missing = bytes;
  for (auto page = limits.page_classes.rbegin(); page != limits.page_classes.rend(); ++page) {
    while (missing >= *page && status.ok()) {
      const uint64_t most = std::min(missing / *page, std::max<uint64_t>(1, kCreateBytes / *page));
      std::vector<PageHandle> handles;
      const PageHandle after = pages_.empty() ? kNoPage : pages_.back().handle;
      status = driver->Create(*page, static_cast<int>(most), after, &handles);
      for (const PageHandle handle : handles) pages_.push_back({handle, *page});
      missing -= most * *page;
    }
  }
  if (status.ok()) {
    status = driver->Map(base_, pages_, /*read_only=*/false);
    if (status.ok()) mapped_bytes_ = bytes;
  }
  // Fresh blocks count as clean from here on.
  if (status.ok() && !limits.zero_filled) status = driver->Zero(base_, bytes);
  if (status.ok()) {
    Describe(options);
  } else {
    Discard();
  }
  return status;
}

DriverStatus PoolMemory::Close() {
  if (mapped_bytes_ > 0) {
    const DriverStatus status = driver_->Unmap(base_, mapped_bytes_);
    if (!status.ok()) return status;
    mapped_bytes_ = 0;
  }
  DriverStatus first;
  std::erase_if(pages_, [&](const PagePiece& page) {
    const DriverStatus status = driver_->Release(page.handle, page.bytes);
    if (!status.ok() && first.ok()) first = status;
    return status.ok();
  });
  if (first.ok()) driver_->Retire();
  return first;
}

// Fills the tensors, and how rows lie in them.
void PoolMemory::Describe(const vattn_paged_options& options) {
  const vattn_cache_shape& shape = options.shape;
  const int64_t tokens = geometry_.block_tokens;
  const int64_t heads = shape.kv_heads;
  if (options.pool_layout == VATTN_POOL_PAGED_ATTENTION) {
    const int64_t x = kVectorBytes / geometry_.element_bytes;
    DescribePart(options, std::array{heads, shape.head_dim / x, tokens, x},
                 {heads * shape.head_dim / x, kVectorBytes}, &keys_);
    DescribePart(options, std::array{heads, int64_t{shape.value_head_dim}, tokens},
                 {heads * shape.value_head_dim, geometry_.element_bytes}, &values_);
  } else {
    DescribePart(options, std::array{tokens, heads, int64_t{shape.head_dim}},
                 {1, geometry_.key_row_bytes}, &keys_);
    DescribePart(options, std::array{tokens, heads, int64_t{shape.value_head_dim}},
                 {1, geometry_.value_row_bytes}, &values_);
  }
  blocks_ = rows_ = parts_;
  const Part& keys = parts_[0];
  const Part& values = parts_[1];
  if (keys.block_bytes != values.block_bytes) return;
  Part both = keys;
  both.tensors += values.tensors;
  blocks_ = {both};
  if (keys.rows.bytes == values.rows.bytes) rows_ = {both};
}

// `extents`: of a block in one tensor.
void PoolMemory::DescribePart(const vattn_paged_options& options, std::span<const int64_t> extents,
                              const Rows& rows, std::vector<vattn_tensor>* tensors) {
  vattn_tensor tensor = {};
  tensor.dtype = options.shape.dtype;
  tensor.device_type = options.device_type;
  tensor.device_index = options.device_index;
  tensor.rank = static_cast<int32_t>(extents.size()) + 1;
  int64_t stride = 1;
  for (size_t i = extents.size(); i > 0; --i) {
    tensor.shape[i] = extents[i - 1];
    tensor.stride[i] = stride;
    stride *= extents[i - 1];
  }
  tensor.shape[0] = geometry_.blocks;
  tensor.stride[0] = stride;
  Part part = {.base = base_,
               .tensors = options.shape.layers,
               .pitch = 0,
               .block_bytes = stride * geometry_.element_bytes,
               .rows = rows};
  part.pitch =
      RoundUp(static_cast<uint64_t>(part.block_bytes * geometry_.blocks), kTensorAlignment);
  for (const Part& before : parts_) {
    part.base += static_cast<uintptr_t>(before.tensors) * before.pitch;
  }
  for (int64_t i = 0; i < part.tensors; ++i) {
    tensor.data = reinterpret_cast<void*>(part.base + static_cast<uintptr_t>(i) * part.pitch);
    tensors->push_back(tensor);
  }
  parts_.push_back(part);
}

DriverStatus PoolMemory::Zero(BlockId first, int32_t count) {
  for (const Part& part : blocks_) {
    ++driver_calls_;
    const DriverStatus status =
        driver_->ZeroRows(BlockOf(part, first), static_cast<uint64_t>(count * part.block_bytes),
                          part.pitch, part.tensors);
    if (!status.ok()) return status;
  }
  return {};
}

DriverStatus PoolMemory::ZeroTail(BlockId block, int32_t row) {
  const int64_t tokens = geometry_.block_tokens;
  for (const Part& part : rows_) {
    const uintptr_t start = BlockOf(part, block) + static_cast<uintptr_t>(row * part.rows.bytes);
    const auto bytes = static_cast<uint64_t>((tokens - row) * part.rows.bytes);
    const auto zero = [&](uintptr_t at, uint64_t pitch, int64_t count) {
      ++driver_calls_;
      return driver_->ZeroRows(at, bytes, pitch, count);
    };
    if (part.rows.pieces == 1) {
      if (DriverStatus status = zero(start, part.pitch, part.tensors); !status.ok()) return status;
      continue;
    }
    // Tensor by tensor: no driver zeroes in three dimensions, and it is the rare case of a block
    // whose last user takes it over.
    const auto pitch = static_cast<uint64_t>(tokens * part.rows.bytes);
    for (int64_t i = 0; i < part.tensors; ++i) {
      const uintptr_t at = start + static_cast<uintptr_t>(i) * part.pitch;
      if (DriverStatus status = zero(at, pitch, part.rows.pieces); !status.ok()) return status;
    }
  }
  return {};
}

DriverStatus PoolMemory::Copy(BlockId to, BlockId from, int32_t rows) {
  const int64_t tokens = geometry_.block_tokens;
  for (const Part& part : rows_) {
    const auto bytes = static_cast<uint64_t>(rows * part.rows.bytes);
    const auto pitch = static_cast<uint64_t>(tokens * part.rows.bytes);
    ++driver_calls_;
    const DriverStatus status =
        part.rows.pieces == 1
            ? driver_->CopyRows(BlockOf(part, to), BlockOf(part, from), bytes, part.pitch,
                                part.tensors)
            : driver_->CopyPlanes(BlockOf(part, to), BlockOf(part, from),
                                  {bytes, pitch, part.rows.pieces, part.pitch, part.tensors});
    if (!status.ok()) return status;
  }
  return {};
}

}  // namespace vattention::paged
