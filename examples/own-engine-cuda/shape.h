// The numbers of the model: small, and of a form that the kernels of every build know.
#ifndef OWN_ENGINE_SHAPE_H_
#define OWN_ENGINE_SHAPE_H_

#include <cstdint>

namespace own_engine {

inline constexpr int32_t kLayers = 4;
inline constexpr int32_t kQueryHeads = 8;
inline constexpr int32_t kKvHeads = 2;
inline constexpr int32_t kHeadDim = 128;
inline constexpr int32_t kHidden = 256;
inline constexpr int32_t kVocabulary = 1024;

// Elements of one token's rows.
inline constexpr int32_t kQueryRow = kQueryHeads * kHeadDim;
inline constexpr int32_t kKvRow = kKvHeads * kHeadDim;

inline constexpr int32_t kMaxSequences = 4;
inline constexpr int32_t kMaxTokens = 1024;  // of one pass
inline constexpr int64_t kMaxLength = 4096;

}  // namespace own_engine

#endif  // OWN_ENGINE_SHAPE_H_
