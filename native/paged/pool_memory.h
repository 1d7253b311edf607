// The pool's memory: one reservation, all of it backed when the cache is made, cut into a K and a V
// tensor per layer. Blocks have the same number in every tensor.
//
//   nhd               K, V: [block, token, kvHead, dim]
//   paged-attention   K: [block, kvHead, dim/x, token, x], x = 16 bytes of elements
//                     V: [block, kvHead, dim, token]
//
//   | K of layer 0: block 0 | block 1 | ... | K of layer 1: block 0 | ... | V of layer 0 | ... |
//   ^ tensors start on 256 bytes
//
// Tensors of one size follow each other, so that a block of all layers is zeroed or copied in one
// strided call of the driver, or in two where keys and values differ.
#ifndef VATTENTION_NATIVE_PAGED_POOL_MEMORY_H_
#define VATTENTION_NATIVE_PAGED_POOL_MEMORY_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "memory/driver.h"
#include "paged/prefix_tree.h"
#include "vattention/paged_cache.h"

namespace vattention::paged {

// Sizes that follow from the options alone.
struct PoolGeometry {
  int32_t blocks = 0;
  int32_t block_tokens = 0;
  int32_t max_blocks = 0;  // of one sequence
  int64_t element_bytes = 0;
  int64_t key_row_bytes = 0;  // one token of one layer
  int64_t value_row_bytes = 0;
  uint64_t bytes_per_token = 0;  // all layers, K and V
  uint64_t block_bytes = 0;
  uint64_t pool_bytes = 0;
  uint64_t tensor_bytes = 0;  // the pool with its tensors aligned
};

// Fills *geometry, or returns why the options cannot be used: expected, received, what to do.
// `status` is VATTN_OK, VATTN_INVALID_ARGUMENT or VATTN_UNSUPPORTED.
std::string ComputeGeometry(const vattn_paged_options& options, PoolGeometry* geometry,
                            vattn_status* status);

// Whole pages of the driver that hold `bytes`.
uint64_t InPages(uint64_t bytes, const DriverLimits& limits);

class PoolMemory {
 public:
  PoolMemory() = default;
  PoolMemory(const PoolMemory&) = delete;
  PoolMemory& operator=(const PoolMemory&) = delete;
  // Gives back what Close has left, and the addresses.
  ~PoolMemory();

  // Reserves, creates and maps the pool. On failure nothing is left. `driver` must outlive this.
  DriverStatus Open(const vattn_paged_options& options, const PoolGeometry& geometry,
                    Driver* driver);
  // Unmaps and releases the memory; the addresses stay reserved, so that a stray pointer faults
  // instead of meeting someone else's data. May be called again after it failed.
  DriverStatus Close();

  std::span<const vattn_tensor> keys() const { return keys_; }
  std::span<const vattn_tensor> values() const { return values_; }
  uint64_t reserved_bytes() const { return reserved_bytes_; }
  // Of the pool: one where the driver merges pages that lie side by side.
  uint64_t mappings() const { return driver_->limits().run_mapping ? 1 : pages_.size(); }

  // On the driver's own stream, like everything that follows: zeroes blocks [first, first + count)
  // of every tensor.
  DriverStatus Zero(BlockId first, int32_t count);
  // Zeroes the rows from `row` on of one block.
  DriverStatus ZeroTail(BlockId block, int32_t row);
  // Copies the first `rows` rows of a block.
  DriverStatus Copy(BlockId to, BlockId from, int32_t rows);
  // Driver calls made by Zero, ZeroTail and Copy since the cache was made.
  uint64_t driver_calls() const { return driver_calls_; }

 private:
  // How the rows of one block lie in a tensor: `pieces` runs of block_tokens x `bytes`.
  struct Rows {
    int64_t pieces;
    int64_t bytes;  // of one token in one piece
  };
  // Tensors of one size, one after the other: keys of all layers, values of all layers, or both.
  struct Part {
    uintptr_t base;
    int64_t tensors;
    uint64_t pitch;  // from a tensor to the next
    int64_t block_bytes;
    Rows rows;
  };

  // Gives back what can be: the books are empty afterwards, whatever failed.
  void Discard();
  void Describe(const vattn_paged_options& options);
  void DescribePart(const vattn_paged_options& options, std::span<const int64_t> extents,
                    const Rows& rows, std::vector<vattn_tensor>* tensors);
  static uintptr_t BlockOf(const Part& part, BlockId block) {
    return part.base + static_cast<uintptr_t>(block * part.block_bytes);
  }

  Driver* driver_ = nullptr;
  PoolGeometry geometry_;
  uintptr_t base_ = 0;
  uint64_t reserved_bytes_ = 0;
  uint64_t mapped_bytes_ = 0;
  uint64_t driver_calls_ = 0;
  std::vector<PagePiece> pages_;
  std::vector<Part> parts_;   // keys and values
  std::vector<Part> blocks_;  // the same as one, where their blocks are of one size
  std::vector<Part> rows_;    // and where also their rows lie alike
  std::vector<vattn_tensor> keys_;
  std::vector<vattn_tensor> values_;
};

}  // namespace vattention::paged

#endif  // VATTENTION_NATIVE_PAGED_POOL_MEMORY_H_
