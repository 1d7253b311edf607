#include "bench/native/host_attention.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "attention/cpu/cpu_backend.h"
#include "bench/native/failure.h"
#include "vattention/contiguous_cache.h"
#include "vattention/paged_cache.h"

namespace vattention::bench {
namespace {

// Of a floating-point type: where its mantissa ends, and the bits of 1.
struct Format {
  int32_t bytes;
  int32_t mantissa_bits;
  uint32_t one;
};

Format FormatOf(int32_t dtype) {
  switch (dtype) {
    case VATTN_FLOAT32:
      return {4, 23, 0x3F800000};
    case VATTN_FLOAT16:
      return {2, 10, 0x3C00};
    case VATTN_BFLOAT16:
      return {2, 7, 0x3F80};
    default:
      throw Failure("element type " + std::to_string(dtype) + " is not measured");
  }
}

constexpr char kPaged[] = "paged-";

vattn_cache_shape ShapeOf(const HostShape& shape, int32_t sequences, int64_t max_length) {
  return {sizeof(vattn_cache_shape),
          shape.layers,
          shape.kv_heads,
          shape.head_dim,
          shape.head_dim,
          shape.dtype,
          sequences,
          max_length};
}

vattn_cache_ref Contiguous(const vattn_cache_shape& shape, int32_t layout) {
  vattn_contiguous_options options{};
  options.size = sizeof(options);
  options.shape = shape;
  options.device_type = VATTN_DEVICE_CPU;
  options.limit_bytes = uint64_t{1} << 40;  // as much as there is
  options.layout = layout;
  Error error;
  vattn_cache_ref ref{sizeof(vattn_cache_ref), nullptr, nullptr};
  error.Check(vattn_contiguous_create(&options, &ref, &error), "vattn_contiguous_create");
  return ref;
}

vattn_cache_ref Paged(const vattn_cache_shape& shape, int32_t block_tokens) {
  vattn_paged_options options{};
  options.size = sizeof(options);
  options.shape = shape;
  options.device_type = VATTN_DEVICE_CPU;
  const auto blocks = static_cast<uint64_t>((shape.max_length + block_tokens - 1) / block_tokens *
                                            shape.max_sequences);
  options.limit_bytes = blocks * static_cast<uint64_t>(block_tokens) * 2 *
                        static_cast<uint64_t>(shape.layers * shape.kv_heads * shape.head_dim *
                                              FormatOf(shape.dtype).bytes);
  options.block_tokens = block_tokens;
  options.pool_layout = VATTN_POOL_NHD;
  Error error;
  vattn_cache_ref ref{sizeof(vattn_cache_ref), nullptr, nullptr};
  error.Check(vattn_paged_create(&options, &ref, &error), "vattn_paged_create");
  return ref;
}

vattn_cache_ref Open(const vattn_cache_shape& shape, const std::string& name) {
  if (name == "split") return Contiguous(shape, VATTN_LAYOUT_SPLIT);
  if (name == "interleaved") return Contiguous(shape, VATTN_LAYOUT_INTERLEAVED);
  if (name.rfind(kPaged, 0) == 0) {
    const int tokens = std::atoi(name.c_str() + sizeof(kPaged) - 1);
    if (tokens > 0) return Paged(shape, tokens);
  }
  throw Failure("a cache \"" + name + "\" is not measured from C++");
}

}  // namespace

HostRows::HostRows(const HostShape& shape, int64_t rows, int32_t heads, std::mt19937_64* random)
    : dtype_(shape.dtype), heads_(heads), dim_(shape.head_dim) {
  const Format format = FormatOf(dtype_);
  const auto bytes = static_cast<size_t>(format.bytes);
  const auto count = static_cast<size_t>(rows * heads * dim_);
  bytes_.resize(count * bytes);
  for (size_t i = 0; i < count; ++i) {
    const auto drawn = static_cast<uint32_t>((*random)());
    const uint32_t sign = drawn >> 31 << (8 * format.bytes - 1);
    const uint32_t bits = sign | format.one | (drawn & ((1u << format.mantissa_bits) - 1));
    std::memcpy(&bytes_[i * bytes], &bits, bytes);  // little-endian, as all that is built for
  }
}

vattn_tensor HostRows::Tensor(int64_t rows) {
  vattn_tensor tensor{};
  tensor.data = bytes_.data();
  tensor.dtype = dtype_;
  tensor.device_type = VATTN_DEVICE_CPU;
  tensor.rank = 3;
  const int64_t shape[] = {rows, heads_, dim_};
  const int64_t stride[] = {int64_t{heads_} * dim_, dim_, 1};
  std::copy(shape, shape + 3, tensor.shape);
  std::copy(stride, stride + 3, tensor.stride);
  return tensor;
}

double HostRows::At(int64_t row, int32_t head, int32_t element) const {
  const Format format = FormatOf(dtype_);
  const auto bytes = static_cast<size_t>(format.bytes);
  uint32_t bits = 0;
  std::memcpy(&bits, &bytes_[static_cast<size_t>((row * heads_ + head) * dim_ + element) * bytes],
              bytes);
  const uint32_t magnitude = bits & ((1u << (8 * format.bytes - 1)) - 1);
  const int32_t exponent = static_cast<int32_t>(magnitude >> format.mantissa_bits) -
                           static_cast<int32_t>(format.one >> format.mantissa_bits);
  const uint32_t mantissa = magnitude & ((1u << format.mantissa_bits) - 1);
  const double value =
      std::ldexp(1 + std::ldexp(static_cast<double>(mantissa), -format.mantissa_bits), exponent);
  return bits == magnitude ? value : -value;
}

HostCache::HostCache(const HostShape& shape, const std::string& name, int32_t sequences,
                     int32_t length, int32_t max_length)
    : ref_(Open(ShapeOf(shape, sequences, max_length), name)) {
  try {
    Error error;
    view_.size = sizeof(view_);
    error.Check(ref_.api->view(ref_.cache, &view_, &error), "view");
    const auto count = static_cast<size_t>(sequences);
    kv_.assign(count, static_cast<uint32_t>(length));
    slot_.resize(count);
    backed_.resize(count);
    first_kept_.resize(count);
    table_.resize(count * static_cast<size_t>(view_.max_blocks));
    for (int32_t i = 0; i < sequences; ++i) {
      vattn_sequence sequence = 0;
      error.Check(ref_.api->allocate(ref_.cache, &sequence, &error), "allocate");
      handles_.push_back(sequence);
    }
    vattn_step_result result{};
    result.size = sizeof(result);
    error.Check(ref_.api->step(ref_.cache, handles_.data(), kv_.data(), sequences, &result, &error),
                "step");
    if (result.outcome != VATTN_STEP_OK) throw Failure("there is too little memory");
  } catch (...) {
    ref_.api->release(ref_.cache);
    throw;
  }
}

HostCache::~HostCache() { ref_.api->release(ref_.cache); }

vattn_batch HostCache::Resolve(uint32_t query) {
  query_.assign(handles_.size(), query);
  vattn_rows rows{};
  rows.size = sizeof(rows);
  rows.count = sequences();
  rows.slot = slot_.data();
  rows.backed_length = backed_.data();
  rows.first_kept = first_kept_.data();
  vattn_batch batch{};
  if (view_.kind == VATTN_PAGED) {
    rows.block_table = table_.data();
    rows.block_table_stride = view_.max_blocks;
    batch.block_table = table_.data();
    batch.block_table_stride = view_.max_blocks;
  }
  Error error;
  error.Check(ref_.api->resolve(ref_.cache, handles_.data(), rows.count, &rows, &error), "resolve");
  batch.size = sizeof(batch);
  batch.count = sequences();
  batch.query_length = query_.data();
  batch.kv_length = kv_.data();
  batch.slot = slot_.data();
  batch.backed_length = backed_.data();
  batch.first_kept = first_kept_.data();
  return batch;
}

void HostPlan::Destroy::operator()(vattn_plan* plan) const {
  vattn_cpu_backend()->plan_destroy(plan);
}

HostPlan::HostPlan(const HostShape& shape, HostCache* cache, int32_t max_query, bool needs_lse)
    : cache_(cache) {
  const vattn_cache_view& view = cache->view();
  vattn_config config{};
  config.size = sizeof(config);
  config.cache_kind = view.kind;
  config.shape = view.shape;
  config.pool_layout = view.pool_layout;
  config.block_tokens = view.block_tokens;
  config.query_heads = shape.query_heads;
  config.dtype = shape.dtype;
  config.causal = 1;
  config.needs_lse = needs_lse ? 1 : 0;
  vattn_limits limits{};
  limits.size = sizeof(limits);
  limits.max_sequences = cache->sequences();
  limits.max_tokens = cache->sequences() * max_query;
  limits.max_length = view.shape.max_length;
  Error error;
  vattn_plan* plan = nullptr;
  error.Check(vattn_cpu_backend()->plan_create(&config, &limits, &plan, &error), "plan_create");
  plan_.reset(plan);
}

void HostPlan::Prepare(uint32_t query) {
  const vattn_batch batch = cache_->Resolve(query);
  Error error;
  error.Check(vattn_cpu_backend()->plan_prepare(plan_.get(), &cache_->view(), &batch,
                                                vattn_stream{}, &error),
              "plan_prepare");
}

void HostPlan::Run(int32_t layer, const vattn_tensor& query, const vattn_tensor& key,
                   const vattn_tensor& value, const vattn_tensor& output, const vattn_tensor* lse) {
  Error error;
  error.Check(
      vattn_cpu_backend()->plan_run(plan_.get(), layer, &query, &key, &value, &output, lse, &error),
      "plan_run");
}

}  // namespace vattention::bench
