#include "attention/common/batch_check.h"

#include <algorithm>

#include "attention/common/error.h"

namespace vattention::attention {

namespace {

vattn_status CheckSequence(const Problem& problem, const vattn_cache_view& view,
                           const vattn_batch& batch, int32_t i, vattn_error* error) {
  const uint32_t query = batch.query_length[i];
  const uint32_t kv = batch.kv_length[i];
  if (kv != 0 && kv < query) {
    return Fail(error, VATTN_INVALID_ARGUMENT,
                "kv_length[%d]: at least the query length %u, or 0, required, found %u.", i, query,
                kv);
  }
  const int64_t longest = std::min(problem.max_length, view.shape.max_length);
  if (kv > longest) {
    return Fail(error, VATTN_INVALID_ARGUMENT, "kv_length[%d]: at most %lld required, found %u.", i,
                static_cast<long long>(longest), kv);
  }
  if (kv > batch.backed_length[i]) {
    return Fail(error, VATTN_NOT_BACKED,
                "kv_length[%d]: %u tokens asked for, %u are backed. Call step first.", i, kv,
                batch.backed_length[i]);
  }
  if (kv == 0) return VATTN_OK;
  const uint32_t kept = batch.first_kept == nullptr ? 0 : batch.first_kept[i];
  const auto first = static_cast<uint32_t>(FirstSeen(problem, query == 0 ? kv - 1 : kv - query));
  if (kept > 0 && query > 0 && first < kept) {
    return Fail(
        error, VATTN_INVALID_ARGUMENT,
        "first_kept[%d]: tokens before %u were slid away, but token %u is seen: a window of "
        "at most %lld required, found %d (0: all).",
        i, kept, first, static_cast<long long>(kv) - query - kept + 1, problem.window);
  }
  if (view.kind != VATTN_PAGED) {
    if (batch.slot[i] >= static_cast<uint64_t>(view.key[0].shape[0])) {
      return Fail(error, VATTN_INVALID_ARGUMENT, "slot[%d]: below %lld required, found %u.", i,
                  static_cast<long long>(view.key[0].shape[0]), batch.slot[i]);
    }
    return VATTN_OK;
  }
  const uint32_t bt = static_cast<uint32_t>(problem.block_tokens);
  const int64_t blocks = (static_cast<int64_t>(kv) + bt - 1) / bt;
  if (blocks > batch.block_table_stride) {
    return Fail(error, VATTN_INVALID_ARGUMENT,
                "block_table: rows of %lld blocks required for %u tokens, found %lld.",
                static_cast<long long>(blocks), kv,
                static_cast<long long>(batch.block_table_stride));
  }
  const int32_t* table = batch.block_table + i * batch.block_table_stride;
  for (int64_t b = query == 0 ? blocks : first / bt; b < blocks; ++b) {
    if (table[b] < 0 || table[b] >= view.key[0].shape[0]) {
      return Fail(error, VATTN_INVALID_ARGUMENT,
                  "block_table[%d][%lld]: a block below %lld required, found %d.", i,
                  static_cast<long long>(b), static_cast<long long>(view.key[0].shape[0]),
                  table[b]);
    }
  }
  return VATTN_OK;
}

}  // namespace

vattn_status CheckBatch(const Problem& problem, const vattn_cache_view& view,
                        const vattn_batch* given, vattn_error* error) {
  if (given == nullptr || given->size < sizeof(vattn_batch)) {
    return Fail(error, VATTN_INVALID_ARGUMENT, "A batch of ABI version %u is required.",
                VATTN_ABI_VERSION);
  }
  const vattn_batch& batch = *given;
  if (batch.count < 0 || batch.count > problem.max_sequences) {
    return Fail(error, VATTN_INVALID_ARGUMENT, "count: 0 to %d sequences required, found %d.",
                problem.max_sequences, batch.count);
  }
  if (batch.count == 0) return VATTN_OK;
  const bool paged = view.kind == VATTN_PAGED;
  if (batch.query_length == nullptr || batch.kv_length == nullptr ||
      batch.backed_length == nullptr ||
      (paged ? batch.block_table : static_cast<const void*>(batch.slot)) == nullptr) {
    return Fail(error, VATTN_INVALID_ARGUMENT,
                "query_length, kv_length, backed_length and %s are required.",
                paged ? "block_table" : "slot");
  }
  uint64_t tokens = 0;
  for (int32_t i = 0; i < batch.count; ++i) {
    tokens += batch.query_length[i];
    if (vattn_status status = CheckSequence(problem, view, batch, i, error)) return status;
  }
  if (tokens > static_cast<uint64_t>(problem.max_tokens)) {
    return Fail(error, VATTN_INVALID_ARGUMENT,
                "query_length: at most %d tokens in all required, found %llu.", problem.max_tokens,
                static_cast<unsigned long long>(tokens));
  }
  return VATTN_OK;
}

}  // namespace vattention::attention
