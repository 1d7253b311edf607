// How files store tensors, and turning their rows into floats.
//
// Quantised types store *blocks*: some elements of a row with the scales they share. The formats
// are GGML's; a row is a whole number of blocks.
#ifndef VATTENTION_OPS_CPU_DEQUANTIZE_H_
#define VATTENTION_OPS_CPU_DEQUANTIZE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace vattention::ops {

enum class StorageType {
  kF32,
  kF16,
  kBF16,
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ4_K,
  kQ5_K,
  kQ6_K
};

struct StorageLayout {
  const char* name;        // GGML's: "Q4_K"
  int32_t block_elements;  // 1 for plain types
  int32_t block_bytes;
};

const StorageLayout& LayoutOf(StorageType type);

// The type of this name; none when there is no such type.
std::optional<StorageType> ParseStorageType(std::string_view name);

// Bytes of `elements`, which must be a multiple of the type's block_elements.
inline size_t StoredBytes(StorageType type, int64_t elements) {
  const StorageLayout& layout = LayoutOf(type);
  return static_cast<size_t>(elements / layout.block_elements) *
         static_cast<size_t>(layout.block_bytes);
}

// Writes `elements` floats. `from` holds StoredBytes(type, elements) bytes, of any alignment.
void Dequantize(StorageType type, const void* from, int64_t elements, float* to);

// 32 neighbouring elements of a row whose values are scale * q + offset, exactly as Dequantize
// gives them when computed as one fused multiplication and addition.
struct QuantizedGroup {
  float scale;
  float offset;  // 0 for Q8_0
  int8_t q[32];  // 0..15, or -128..127 for Q8_0
};
// Group `index` of a stored row of Q4_0, Q4_1, Q4_K or Q8_0.
QuantizedGroup UnpackGroup(StorageType type, const void* row, int64_t index);

// IEEE half precision as a float, exactly; NaN and Infinity included.
float FromFloat16(uint16_t bits);

}  // namespace vattention::ops

#endif  // VATTENTION_OPS_CPU_DEQUANTIZE_H_
