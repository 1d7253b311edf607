#include "attention/cuda/built_text.h"

namespace vattention::attention::cuda {

namespace {

// "90a,80" as "90a","80"; nothing as nothing.
std::string Quoted(std::string_view list) {
  if (list.empty()) return "";
  std::string text = "\"";
  for (const char c : list) {
    if (c == ',') {
      text += "\",\"";
    } else {
      text += c;
    }
  }
  return text + "\"";
}

}  // namespace

std::string MakeBuiltText(std::string_view archs, bool fp8, std::string_view head_dims,
                          bool soft_cap) {
  std::string dtypes = VATTN_CUDA_BFLOAT16 ? "\"bfloat16\"" : "";
  if (VATTN_CUDA_FLOAT16) dtypes += dtypes.empty() ? "\"float16\"" : ",\"float16\"";
  const auto boolean = [](bool value) { return value ? "true" : "false"; };
  return std::string("{\"archs\":[") + Quoted(archs) + "],\"headDims\":[" + std::string(head_dims) +
         "],\"dtypes\":[" + dtypes + "],\"softCap\":" + boolean(soft_cap) +
         ",\"fp8\":" + boolean(fp8) + "}";
}

const char* BuiltText() {
  static const std::string text = MakeBuiltText(VATTN_CUDA_ARCHS, VATTN_CUDA_FP8 != 0);
  return text.c_str();
}

}  // namespace vattention::attention::cuda
