// Writing new K and V rows into the cache.
#ifndef VATTENTION_ATTENTION_CPU_APPEND_H_
#define VATTENTION_ATTENTION_CPU_APPEND_H_

#include <cstdint>

#include "attention/cpu/unit_task.h"

namespace vattention::cpu {

// New rows of one layer: K [tokens, KV heads, head dim], V [tokens, KV heads, value head dim].
// Equal dtypes keep their bits, others are rounded to nearest, ties to even.
struct NewRows {
  const vattn_tensor* key;
  const vattn_tensor* value;
};

// Bytes that AppendRows writes for one token.
int64_t AppendedBytes(const Problem& problem);

// Writes the rows of the query tokens [begin, end), counted over all sequences.
void AppendRows(const LayerRun& run, const NewRows& rows, int64_t begin, int64_t end);

}  // namespace vattention::cpu

#endif  // VATTENTION_ATTENTION_CPU_APPEND_H_
