// A tiny transformer, by kernels of its own: embedding, projections, greedy choice. Its weights are
// a hash of their place, so it is the same everywhere and there is nothing to load. What it says
// means nothing; that it depends on every token before is enough here.
#ifndef OWN_ENGINE_MODEL_H_
#define OWN_ENGINE_MODEL_H_

#include <cuda_bf16.h>

#include <cstdint>
#include <vector>

#include "device_array.h"
#include "shape.h"
#include "vattention/device.h"

namespace own_engine {

// Everything is enqueued on `stream`; the activations are of one pass at a time.
class Model {
 public:
  explicit Model(cudaStream_t stream);

  // Begins a pass: what each of its rows is, and where in its sequence.
  void Embed(const std::vector<int32_t>& tokens, const std::vector<int32_t>& positions);
  // Makes query, key and value of a layer.
  void Project(int32_t layer);
  // Adds a layer's attention, of `output()`, to the rows.
  void AddAttention(int32_t layer);
  // The most likely token after each of these rows. Waits for the stream.
  std::vector<int32_t> NextTokens(const std::vector<int32_t>& rows);

  // [tokens of the pass, heads, head dim], bfloat16.
  vattn_tensor query() const { return Rows(query_.data(), kQueryHeads); }
  vattn_tensor key() const { return Rows(key_.data(), kKvHeads); }
  vattn_tensor value() const { return Rows(value_.data(), kKvHeads); }
  vattn_tensor output() const { return Rows(output_.data(), kQueryHeads); }

 private:
  vattn_tensor Rows(__nv_bfloat16* data, int64_t heads) const;
  void Normalise();

  const cudaStream_t stream_;
  int32_t tokens_ = 0;              // of this pass
  DeviceArray<int32_t> ids_;        // [tokens], then rows whose next token is wanted
  DeviceArray<int32_t> positions_;  // [tokens], then the choices
  DeviceArray<float> x_;            // [tokens, hidden]
  DeviceArray<__nv_bfloat16> query_, key_, value_, output_;
};

}  // namespace own_engine

#endif  // OWN_ENGINE_MODEL_H_
