// Attention as the formula has it, over keys and values that lie apart from any cache: what the
// backend's output is checked against, rows, growth and forks of the cache included.
#ifndef OWN_ENGINE_PLAIN_ATTENTION_H_
#define OWN_ENGINE_PLAIN_ATTENTION_H_

#include <cuda_bf16.h>

#include <cstdint>

#include "device_array.h"
#include "shape.h"
#include "vattention/device.h"

namespace own_engine {

// Rows of one sequence in a pass.
struct PassRows {
  int32_t history;    // which of the kept histories is the sequence's, below kMaxSequences
  int32_t first_row;  // of the pass
  int32_t rows;
  int32_t kv_length;  // tokens of the sequence after the pass
};

class PlainAttention {
 public:
  explicit PlainAttention(cudaStream_t stream);

  // Lets history `to` begin with that of `from`.
  void Copy(int32_t from, int32_t to);
  // Keeps the keys and values of a layer's new rows, and compares the backend's output with its
  // own.
  void Compare(int32_t layer, const PassRows& rows, const vattn_tensor& query,
               const vattn_tensor& key, const vattn_tensor& value, const vattn_tensor& output);
  // The largest difference so far; NaN if there was one. Waits for the stream.
  float WorstDifference() const;

 private:
  const cudaStream_t stream_;
  DeviceArray<__nv_bfloat16> keys_, values_;  // [history, layer, token, KV head, dim]
  DeviceArray<float> worst_;
};

}  // namespace own_engine

#endif  // OWN_ENGINE_PLAIN_ATTENTION_H_
