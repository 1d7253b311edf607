#include "attention/cuda/built_text.h"

namespace vattention::attention::cuda {

namespace {

// "90a,80" as "90a","80".
std::string Quoted(std::string_view list) {
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

std::string MakeBuiltText(std::string_view archs, bool fp8) {
  std::string dtypes = VATTN_CUDA_BFLOAT16 ? "\"bfloat16\"" : "";
  if (VATTN_CUDA_FLOAT16) dtypes += dtypes.empty() ? "\"float16\"" : ",\"float16\"";
  const auto boolean = [](bool value) { return value ? "true" : "false"; };
  return std::string("{\"archs\":[") + Quoted(archs) + "],\"headDims\":[" +
         VATTN_CUDA_HEAD_DIM_LIST + "],\"dtypes\":[" + dtypes +
         "],\"softCap\":" + boolean(VATTN_CUDA_SOFT_CAP) + ",\"fp8\":" + boolean(fp8) + "}";
}

const char* BuiltText() {
  static const std::string text = MakeBuiltText(VATTN_CUDA_ARCHS, VATTN_CUDA_FP8 != 0);
  return text.c_str();
}

}  // namespace vattention::attention::cuda
