#include "tests/attention_cpu_fixture.h"

#include <algorithm>
#include <numeric>
#include <random>

namespace vattention::testing {

TestCache::TestCache(const Setup& setup, int32_t slots, int32_t max_length)
    : setup_(setup), slots_(slots), max_length_(max_length) {
  const int64_t layers = setup.layers;
  const int64_t heads = setup.kv_heads;
  const int64_t bytes = static_cast<int64_t>(Bytes(setup.cache_dtype));
  const int64_t dims[2] = {setup.head_dim, setup.value_head_dim};
  const bool paged = setup.layout.kind == VATTN_PAGED;
  const int64_t tokens = paged ? setup.layout.block_tokens : max_length;
  blocks_per_slot_ = paged ? (max_length + tokens - 1) / tokens : 1;
  const int64_t outer = slots * blocks_per_slot_ + (paged ? 3 : 0);
  const int64_t per_token = heads * (dims[0] + dims[1]) * layers;
  memory_.assign(static_cast<size_t>(outer * tokens * per_token * bytes), 0xFF);  // NaN
  int64_t at = 0;
  for (int64_t layer = 0; layer < layers; ++layer) {
    for (int kv = 0; kv < 2; ++kv) {
      vattn_tensor tensor{};
      tensor.dtype = setup.cache_dtype;
      tensor.device_type = VATTN_DEVICE_CPU;
      const int64_t row = heads * dims[kv];
      if (setup.layout.interleaved && !paged) {
        tensor.data =
            memory_.data() + (layer * heads * (dims[0] + dims[1]) + kv * heads * dims[0]) * bytes;
        Describe(&tensor, {outer, tokens, heads, dims[kv]},
                 {tokens * per_token, per_token, dims[kv], 1});
      } else {
        tensor.data = memory_.data() + at;
        at += outer * tokens * row * bytes;
        if (paged && setup.layout.pool_layout == VATTN_POOL_PAGED_ATTENTION) {
          const int64_t x = 16 / bytes;
          if (kv == 0) {
            Describe(&tensor, {outer, heads, dims[0] / x, tokens, x},
                     {tokens * row, tokens * dims[0], tokens * x, x, 1});
          } else {
            Describe(&tensor, {outer, heads, dims[1], tokens},
                     {tokens * row, tokens * dims[1], tokens, 1});
          }
        } else {
          Describe(&tensor, {outer, tokens, heads, dims[kv]}, {tokens * row, row, dims[kv], 1});
        }
      }
      (kv == 0 ? key_ : value_).push_back(tensor);
    }
  }
  // Blocks of a slot in no order.
  table_.resize(static_cast<size_t>(slots * blocks_per_slot_));
  std::iota(table_.begin(), table_.end(), 1);
  std::shuffle(table_.begin(), table_.end(), std::mt19937(7));
}

void TestCache::Write(const Content& content, int32_t slot, int32_t from, int32_t to) {
  for (int kv = 0; kv < 2; ++kv) {
    const int64_t dim = kv == 0 ? setup_.head_dim : setup_.value_head_dim;
    const int64_t run = RunElements(kv, dim);
    const std::vector<float>& rows = kv == 0 ? content.key : content.value;
    for (int32_t layer = 0; layer < setup_.layers; ++layer) {
      for (int64_t token = from; token < to; ++token) {
        for (int64_t head = 0; head < setup_.kv_heads; ++head) {
          const float* row = &rows[static_cast<size_t>((token * setup_.kv_heads + head) * dim)];
          for (int64_t e = 0; e < dim; e += run) {
            StoreAll(row + e, run, setup_.cache_dtype, Element(kv, layer, slot, token, head, e));
          }
        }
      }
    }
  }
}

int64_t TestCache::RunElements(int kv, int64_t dim) const {
  const bool published =
      setup_.layout.kind == VATTN_PAGED && setup_.layout.pool_layout == VATTN_POOL_PAGED_ATTENTION;
  if (!published) return dim;
  return kv == 0 ? key_.front().shape[4] : 1;
}

vattn_status Prepare(vattn_plan* plan, const Setup& setup, const TestCache& cache,
                     const std::vector<Part>& parts, vattn_error* error) {
  std::vector<uint32_t> query, kv, slot, backed, kept;
  std::vector<int32_t> table;
  for (const Part& part : parts) {
    query.push_back(part.query);
    kv.push_back(part.kv);
    slot.push_back(static_cast<uint32_t>(part.slot));
    backed.push_back(part.kv);
    kept.push_back(part.first_kept);
    // Tests also ask for slots that there are not.
    const int64_t begin = std::min(part.slot * cache.table_stride(), cache.table_size());
    const int64_t end = std::min(begin + cache.table_stride(), cache.table_size());
    std::vector<int32_t> copy(cache.table() + begin, cache.table() + end);
    copy.resize(static_cast<size_t>(cache.table_stride()));
    for (uint32_t b = 0; b < part.first_kept / static_cast<uint32_t>(setup.layout.block_tokens);
         ++b) {
      copy[b] = -1;
    }
    table.insert(table.end(), copy.begin(), copy.end());
  }
  vattn_batch batch{};
  batch.size = sizeof(batch);
  batch.count = static_cast<int32_t>(parts.size());
  batch.query_length = query.data();
  batch.kv_length = kv.data();
  batch.slot = slot.data();
  batch.backed_length = backed.data();
  batch.first_kept = kept.data();
  if (setup.layout.kind == VATTN_PAGED) {
    batch.block_table = table.data();
    batch.block_table_stride = cache.table_stride();
  }
  const vattn_cache_view view = cache.View();
  return vattn_cpu_backend()->plan_prepare(plan, &view, &batch, vattn_stream{}, error);
}

Result RunPass(vattn_plan* plan, const Setup& setup, const TestCache& cache,
               const std::vector<Part>& parts, int32_t layer, int64_t gap, bool append) {
  int64_t tokens = 0;
  for (const Part& part : parts) tokens += part.query;
  HostTensor query(setup.dtype, tokens, setup.query_heads, setup.head_dim, gap);
  HostTensor key(setup.dtype, tokens, setup.kv_heads, setup.head_dim, gap);
  HostTensor value(setup.dtype, tokens, setup.kv_heads, setup.value_head_dim, gap);
  HostTensor output(setup.dtype, tokens, setup.query_heads, setup.value_head_dim, gap);
  HostTensor lse(VATTN_FLOAT32, tokens, 1, setup.query_heads, gap);
  lse.tensor.shape[1] = setup.query_heads;
  int64_t row = 0;
  for (const Part& part : parts) {
    for (uint32_t i = 0; i < part.query; ++i, ++row) {
      const int64_t at = part.kv == 0 ? i : part.kv - part.query + i;
      const auto copy = [&](const std::vector<float>& from, HostTensor& to) {
        const int64_t heads = to.tensor.shape[1];
        const int64_t dim = to.tensor.shape[2];
        for (int64_t h = 0; h < heads; ++h) {
          StoreAll(&from[static_cast<size_t>((at * heads + h) * dim)], dim, setup.dtype,
                   to.At(row, h, 0));
        }
      };
      copy(part.content->query, query);
      copy(part.content->key, key);
      copy(part.content->value, value);
    }
  }
  Error error;
  if (Prepare(plan, setup, cache, parts, &error) != VATTN_OK) {
    Fail(__FILE__, __LINE__, error.message);
  }
  const vattn_tensor matrix = lse.Matrix();
  if (vattn_cpu_backend()->plan_run(plan, layer, &query.tensor, append ? &key.tensor : nullptr,
                                    append ? &value.tensor : nullptr, &output.tensor, &matrix,
                                    &error) != VATTN_OK) {
    Fail(__FILE__, __LINE__, error.message);
  }
  const int64_t dim = setup.value_head_dim;
  Result result;
  result.output.resize(static_cast<size_t>(tokens * setup.query_heads * dim));
  result.lse.resize(static_cast<size_t>(tokens * setup.query_heads));
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t h = 0; h < setup.query_heads; ++h) {
      const int64_t at = t * setup.query_heads + h;
      LoadAll(output.At(t, h, 0), dim, setup.dtype, &result.output[static_cast<size_t>(at * dim)]);
      LoadAll(lse.At(t, 0, h), 1, VATTN_FLOAT32, &result.lse[static_cast<size_t>(at)]);
    }
  }
  return result;
}

}  // namespace vattention::testing
