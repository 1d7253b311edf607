#include <cfloat>

#include "model.h"

namespace own_engine {
namespace {

constexpr int kThreads = 256;

// Matrices are told apart by a number: three for all layers, then four for each.
enum Matrix : uint32_t { kEmbedding, kPosition, kOutput, kQuery, kKey, kValue, kAttention };
constexpr uint32_t kPerLayer = 4;

__host__ __device__ uint32_t OfLayer(Matrix matrix, int32_t layer) {
  return matrix + kPerLayer * static_cast<uint32_t>(layer);
}

// An element of a matrix: uniform in [-1, 1), by Murmur3's last steps.
__device__ float Weight(uint32_t matrix, uint32_t row, uint32_t column) {
  uint32_t hash = matrix * 0x9E3779B1u ^ row * 0x85EBCA77u ^ column * 0xC2B2AE3Du;
  hash ^= hash >> 16;
  hash *= 0x85EBCA6Bu;
  hash ^= hash >> 13;
  hash *= 0xC2B2AE35u;
  hash ^= hash >> 16;
  return static_cast<float>(hash) * 0x1p-31f - 1.0f;
}

__device__ float ToFloat(float x) { return x; }
__device__ float ToFloat(__nv_bfloat16 x) { return __bfloat162float(x); }

// Row `row` of a matrix times `x`; of variance 1 if that of `x` is 1.
template <typename Element>
__device__ float Dot(uint32_t matrix, uint32_t row, const Element* x, int width) {
  float sum = 0;
  for (int i = 0; i < width; ++i) {
    sum += Weight(matrix, row, static_cast<uint32_t>(i)) * ToFloat(x[i]);
  }
  return sum * sqrtf(3.0f / static_cast<float>(width));
}

// A block is a token's row in all of these.
__global__ void EmbedKernel(const int32_t* tokens, const int32_t* positions, float* x) {
  const auto token = static_cast<uint32_t>(tokens[blockIdx.x]);
  const auto position = static_cast<uint32_t>(positions[blockIdx.x]);
  const uint32_t i = threadIdx.x;
  x[blockIdx.x * kHidden + i] =
      Weight(kEmbedding, token, i) + 0.5f * Weight(kPosition, position, i);
}

// Root mean square 1.
__global__ void NormaliseKernel(float* x) {
  __shared__ float sums[kHidden];
  float* row = x + blockIdx.x * kHidden;
  const uint32_t i = threadIdx.x;
  sums[i] = row[i] * row[i];
  for (uint32_t step = kHidden / 2; step > 0; step /= 2) {
    __syncthreads();
    if (i < step) sums[i] += sums[i + step];
  }
  __syncthreads();
  row[i] *= rsqrtf(sums[0] / kHidden + 1e-6f);
}

__global__ void ProjectKernel(uint32_t matrix, const float* x, int outputs, __nv_bfloat16* out) {
  for (int i = static_cast<int>(threadIdx.x); i < outputs; i += kThreads) {
    const float sum = Dot(matrix, static_cast<uint32_t>(i), x + blockIdx.x * kHidden, kHidden);
    out[static_cast<int64_t>(blockIdx.x) * outputs + i] = __float2bfloat16(sum);
  }
}

__global__ void AddAttentionKernel(uint32_t matrix, const __nv_bfloat16* attended, float* x) {
  const uint32_t i = threadIdx.x;
  const int64_t row = blockIdx.x;
  x[row * kHidden + i] += Dot(matrix, i, attended + row * kQueryRow, kQueryRow);
}

// The token of the largest logit; of equals the first. A block is a row.
__global__ void ChooseKernel(const float* x, const int32_t* rows, int32_t* chosen) {
  __shared__ float logits[kThreads];
  __shared__ int32_t tokens[kThreads];
  const uint32_t i = threadIdx.x;
  float best = -FLT_MAX;
  int32_t token = 0;
  for (uint32_t candidate = i; candidate < kVocabulary; candidate += kThreads) {
    const float logit = Dot(kOutput, candidate, x + rows[blockIdx.x] * kHidden, kHidden);
    if (logit > best) {
      best = logit;
      token = static_cast<int32_t>(candidate);
    }
  }
  logits[i] = best;
  tokens[i] = token;
  for (uint32_t step = kThreads / 2; step > 0; step /= 2) {
    __syncthreads();
    if (i >= step) continue;
    const uint32_t other = i + step;
    if (logits[other] > logits[i] || (logits[other] == logits[i] && tokens[other] < tokens[i])) {
      logits[i] = logits[other];
      tokens[i] = tokens[other];
    }
  }
  if (i == 0) chosen[blockIdx.x] = tokens[0];
}

void CheckLaunch(const char* kernel) { CheckCuda(cudaGetLastError(), kernel); }

}  // namespace

Model::Model(cudaStream_t stream)
    : stream_(stream),
      ids_(kMaxTokens),
      positions_(kMaxTokens),
      x_(kMaxTokens * kHidden),
      query_(kMaxTokens * kQueryRow),
      key_(kMaxTokens * kKvRow),
      value_(kMaxTokens * kKvRow),
      output_(kMaxTokens * kQueryRow) {}

void Model::Embed(const std::vector<int32_t>& tokens, const std::vector<int32_t>& positions) {
  tokens_ = static_cast<int32_t>(tokens.size());
  const size_t bytes = tokens.size() * sizeof(int32_t);
  // Pageable memory is copied before the call returns: the vectors may go.
  CheckCuda(cudaMemcpyAsync(ids_.data(), tokens.data(), bytes, cudaMemcpyHostToDevice, stream_),
            "cudaMemcpyAsync");
  CheckCuda(
      cudaMemcpyAsync(positions_.data(), positions.data(), bytes, cudaMemcpyHostToDevice, stream_),
      "cudaMemcpyAsync");
  EmbedKernel<<<tokens_, kHidden, 0, stream_>>>(ids_.data(), positions_.data(), x_.data());
  CheckLaunch("EmbedKernel");
  Normalise();
}

void Model::Project(int32_t layer) {
  const auto project = [&](Matrix matrix, int32_t outputs, __nv_bfloat16* out) {
    ProjectKernel<<<tokens_, kThreads, 0, stream_>>>(OfLayer(matrix, layer), x_.data(), outputs,
                                                     out);
    CheckLaunch("ProjectKernel");
  };
  project(kQuery, kQueryRow, query_.data());
  project(kKey, kKvRow, key_.data());
  project(kValue, kKvRow, value_.data());
}

void Model::AddAttention(int32_t layer) {
  AddAttentionKernel<<<tokens_, kHidden, 0, stream_>>>(OfLayer(kAttention, layer), output_.data(),
                                                       x_.data());
  CheckLaunch("AddAttentionKernel");
  Normalise();
}

std::vector<int32_t> Model::NextTokens(const std::vector<int32_t>& rows) {
  const size_t bytes = rows.size() * sizeof(int32_t);
  CheckCuda(cudaMemcpyAsync(ids_.data(), rows.data(), bytes, cudaMemcpyHostToDevice, stream_),
            "cudaMemcpyAsync");
  ChooseKernel<<<static_cast<uint32_t>(rows.size()), kThreads, 0, stream_>>>(x_.data(), ids_.data(),
                                                                             positions_.data());
  CheckLaunch("ChooseKernel");
  std::vector<int32_t> chosen(rows.size());
  CheckCuda(
      cudaMemcpyAsync(chosen.data(), positions_.data(), bytes, cudaMemcpyDeviceToHost, stream_),
      "cudaMemcpyAsync");
  CheckCuda(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
  return chosen;
}

void Model::Normalise() {
  NormaliseKernel<<<tokens_, kHidden, 0, stream_>>>(x_.data());
  CheckLaunch("NormaliseKernel");
}

vattn_tensor Model::Rows(__nv_bfloat16* data, int64_t heads) const {
  vattn_tensor tensor{};
  tensor.data = data;
  tensor.dtype = VATTN_BFLOAT16;
  tensor.device_type = VATTN_DEVICE_CUDA;
  tensor.rank = 3;
  tensor.shape[0] = tokens_;
  tensor.shape[1] = heads;
  tensor.shape[2] = kHeadDim;
  tensor.stride[0] = heads * kHeadDim;
  tensor.stride[1] = kHeadDim;
  tensor.stride[2] = 1;
  return tensor;
}

}  // namespace own_engine
