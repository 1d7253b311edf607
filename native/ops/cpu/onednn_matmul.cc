#include "ops/cpu/onednn_matmul.h"

#include <algorithm>
#include <list>
#include <unordered_map>

#include "dnnl.hpp"
#include "ops/cpu/status.h"

namespace vattention::ops {
namespace {

// Primitives kept: more row counts than a busy engine goes through between two of the same.
constexpr size_t kMaxPrimitives = 48;

}  // namespace

class OneDnnMatmul::Impl {
 public:
  Impl(int64_t outputs, int64_t inputs, Precision precision)
      : outputs_(outputs), inputs_(inputs), engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    using Type = dnnl::memory::data_type;
    using Tag = dnnl::memory::format_tag;
    const bool bf16 = precision == Precision::kBfloat16;
    type_ = bf16 ? Type::bf16 : Type::f32;
    weights_ = dnnl::memory::desc({inputs, outputs}, type_, bf16 ? Tag::BA16a64b2a : Tag::BA16a64b);
  }

  struct Product {
    int64_t rows;
    std::string implementation;
    dnnl::matmul primitive;
    dnnl::memory activations, weights, output;
    std::unordered_map<int, dnnl::memory> arguments;
  };

  // Null when oneDNN has no kernel for this.
  Product* Find(int64_t rows) {
    for (auto it = products_.begin(); it != products_.end(); ++it) {
      if (it->rows != rows) continue;
      products_.splice(products_.begin(), products_, it);
      return &products_.front();
    }
    using Tag = dnnl::memory::format_tag;
    const dnnl::memory::desc a({rows, inputs_}, type_, Tag::ab);
    const dnnl::memory::desc c({rows, outputs_}, dnnl::memory::data_type::f32, Tag::ab);
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    constexpr bool kAllowEmpty = true;
    const dnnl::matmul::primitive_desc description(engine_, a, weights_, c, attributes,
                                                   kAllowEmpty);
    if (!description) return nullptr;
    // The reference kernels read any layout, a hundred times slower than ours.
    const std::string implementation = description.impl_info_str();
    if (implementation.rfind("ref", 0) == 0) return nullptr;

    Product product{rows,
                    implementation,
                    dnnl::matmul(description),
                    dnnl::memory(a, engine_, nullptr),
                    dnnl::memory(weights_, engine_, nullptr),
                    dnnl::memory(c, engine_, nullptr),
                    {}};
    product.arguments = {
        {DNNL_ARG_SRC, product.activations},
        {DNNL_ARG_WEIGHTS, product.weights},
        {DNNL_ARG_DST, product.output},
        {DNNL_ARG_SCRATCHPAD, dnnl::memory(description.scratchpad_desc(), engine_)},
    };
    if (products_.size() >= kMaxPrimitives) products_.pop_back();
    products_.push_front(std::move(product));
    return &products_.front();
  }

  void Run(const WeightMatrix& weights, const void* activations, int64_t rows, float* output) {
    VATTN_CHECK(weights.outputs() == outputs_ && weights.inputs() == inputs_ &&
                weights.bytes() == weights_.get_size());
    Product* product = Find(RoundRows(rows));
    VATTN_CHECK(product != nullptr);
    product->activations.set_data_handle(const_cast<void*>(activations));
    product->weights.set_data_handle(const_cast<void*>(weights.data()));
    product->output.set_data_handle(output);
    product->primitive.execute(stream_, product->arguments);
    stream_.wait();
  }

 private:
  int64_t outputs_;
  int64_t inputs_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::memory::data_type type_;
  dnnl::memory::desc weights_;
  std::list<Product> products_;  // the last used first
};

OneDnnMatmul::OneDnnMatmul(int64_t outputs, int64_t inputs, Precision precision)
    : impl_(std::make_unique<Impl>(outputs, inputs, precision)) {}
OneDnnMatmul::~OneDnnMatmul() = default;

int64_t OneDnnMatmul::RoundRows(int64_t rows) { return rows <= 16 ? rows : (rows + 31) / 32 * 32; }

bool OneDnnMatmul::Prepare(int64_t rows) { return impl_->Find(RoundRows(rows)) != nullptr; }

std::string OneDnnMatmul::Implementation(int64_t rows) {
  const auto* product = impl_->Find(RoundRows(rows));
  VATTN_CHECK(product != nullptr);
  return product->implementation;
}

void OneDnnMatmul::Run(const WeightMatrix& weights, const void* activations, int64_t rows,
                       float* output) {
  impl_->Run(weights, activations, rows, output);
}

std::string OneDnnVersion() {
  const dnnl_version_t* version = dnnl_version();
  return std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
         std::to_string(version->patch);
}

std::string OneDnnIsa() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41:
      return "sse41";
    case dnnl::cpu_isa::avx:
      return "avx";
    case dnnl::cpu_isa::avx2:
      return "avx2";
    case dnnl::cpu_isa::avx2_vnni:
      return "avx2_vnni";
    case dnnl::cpu_isa::avx2_vnni_2:
      return "avx2_vnni_2";
    case dnnl::cpu_isa::avx512_core:
      return "avx512_core";
    case dnnl::cpu_isa::avx512_core_vnni:
      return "avx512_core_vnni";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "avx512_core_bf16";
    case dnnl::cpu_isa::avx512_core_fp16:
      return "avx512_core_fp16";
    case dnnl::cpu_isa::avx512_core_amx:
      return "avx512_core_amx";
    case dnnl::cpu_isa::avx512_core_amx_fp16:
      return "avx512_core_amx_fp16";
    default:
      return "generic";
  }
}

bool OneDnnHasBfloat16() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::avx512_core_bf16:
    case dnnl::cpu_isa::avx512_core_fp16:
    case dnnl::cpu_isa::avx512_core_amx:
    case dnnl::cpu_isa::avx512_core_amx_fp16:
      return true;
    default:
      return false;
  }
}

bool OneDnnHasAmx() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::avx512_core_amx:
    case dnnl::cpu_isa::avx512_core_amx_fp16:
      return true;
    default:
      return false;
  }
}

}  // namespace vattention::ops
