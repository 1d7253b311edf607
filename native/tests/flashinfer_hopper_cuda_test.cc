// FlashInfer's kernels for Hopper through their C table: what all backends must do
// (attention_cuda_cases.cc), on such a GPU.
#include <string>

#include "attention/flashinfer/dispatch.h"
#include "attention/flashinfer/flashinfer_backend.h"
#include "tests/attention_cuda_built.h"
#include "tests/attention_cuda_fixture.h"

namespace vattention::testing {

const TestedBackend& Tested() {
  static const TestedBackend tested = [] {
    TestedBackend backend{};
    backend.table = vattn_flashinfer_hopper_backend();
    for (const int32_t layout : {VATTN_LAYOUT_INTERLEAVED, VATTN_LAYOUT_SPLIT}) {
      backend.forms.push_back({VATTN_CONTIGUOUS, layout, 0, 0, VATTN_POOL_NHD});
    }
    for (const int32_t block_tokens : {16, 1, 64, 256}) {
      backend.forms.push_back({VATTN_PAGED, 0, 0, block_tokens, VATTN_POOL_NHD});
    }
    for (const int32_t head_dim : {64, 128, 256}) {
      if (flashinfer::ServesHeadDim(head_dim)) backend.head_dims.push_back(head_dim);
    }
    backend.dtypes = BuiltDtypes();
    backend.non_causal = true;
    backend.batch_invariant = true;
    backend.sums_rounded = true;
    return backend;
  }();
  return tested;
}

namespace {

TEST(WhatWasBuilt) {
  const std::string built = vattn_flashinfer_hopper_built();
  const std::string archs = flashinfer::HopperBuilt() ? "\"90a\"" : "";
  CHECK(built.find("\"archs\":[" + archs + "]") != std::string::npos);
  CHECK_EQ(std::string(vattn_flashinfer_hopper_backend()->name), "flashinfer-hopper");
}

}  // namespace
}  // namespace vattention::testing

int main(int argc, char** argv) { return vattention::testing::RunGpuTests(argc, argv); }
