// What the plans of all backends on CUDA have in common: the checks, the way of a pass's numbers to
// the device, appending rows, gathering rows that kernels want side by side, log-sum-exps in the
// contract's form. A backend derives from it and says how a pass is cut into launches (Arrange,
// PlanGroups) and how one launch is made (Attend).
//
// Errors inside are exceptions: CudaError, std::bad_alloc; the C table turns them (cuda_guard.h).
#ifndef VATTENTION_ATTENTION_CUDA_DEVICE_PLAN_H_
#define VATTENTION_ATTENTION_CUDA_DEVICE_PLAN_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "attention/common/problem.h"
#include "attention/common/tensor_check.h"
#include "attention/cuda/append.h"
#include "attention/cuda/cache_scales.h"
#include "attention/cuda/device_buffer.h"
#include "attention/cuda/layer_call.h"
#include "attention/cuda/row_group.h"
#include "attention/cuda/staging.h"
#include "vattention/attention.h"

namespace vattention::attention::cuda {

class DevicePlan {
 public:
  virtual ~DevicePlan();
  DevicePlan(const DevicePlan&) = delete;
  DevicePlan& operator=(const DevicePlan&) = delete;

  // Allocates all buffers. Called once, before anything else.
  void Allocate();

  vattn_status Prepare(const vattn_cache_view* view, const vattn_batch* batch, vattn_stream stream,
                       vattn_error* error);
  vattn_status Run(int32_t layer, const vattn_tensor* query, const vattn_tensor* key,
                   const vattn_tensor* value, const vattn_tensor* output, const vattn_tensor* lse,
                   vattn_error* error);
  vattn_status Append(int32_t layer, const vattn_tensor* key, const vattn_tensor* value,
                      vattn_error* error);
  // On the device, and pinned.
  uint64_t WorkspaceBytes() const;

 protected:
  // `problem` is what `config` says, checked.
  DevicePlan(Problem problem, const vattn_config& config, const vattn_limits& limits);

  // Buffers of the backend's own: called by Allocate, the device current. Arrays that every pass
  // fills are added to staging() here.
  virtual void AllocateOwn() {}
  // Bytes of them.
  virtual uint64_t OwnBytes() const { return 0; }
  // Cuts a pass into launches: each sequence that has rows and keys belongs to one group.
  // (row_group.h has the usual ways.) Rows without keys that are in none are filled by the kit.
  virtual std::vector<RowGroup> Arrange(const Pass& pass) = 0;
  // Everything about the groups that no layer changes: splits, tile counts, page indices. Their
  // device addresses are set; what they point to arrives before the launches. Host only, or
  // enqueued on stream(). Returns an error for a batch that the kernels cannot serve.
  virtual vattn_status PlanGroups(std::span<const RowGroup> groups, vattn_error* error) {
    (void)groups;
    (void)error;
    return VATTN_OK;
  }
  // The groups' numbers are on their way to the device: kernels that prepare for all layers are
  // enqueued on stream() here.
  virtual void AfterUpload() {}
  // Enqueues one layer's attention of groups()[index] on call.stream.
  virtual LseLayout Attend(size_t index, const LayerCall& call) = 0;
  // Enqueues the copying of new rows to the cache. Default: the kit's kernel, for every layout but
  // the published one of PagedAttention.
  virtual void AppendRows(const LayerCall& call);
  // What AppendRows gives to the kernel.
  AppendArguments MakeAppend(const LayerCall& call) const;
  // Floats that kernels may write to LayerCall::lse for a group of `rows` rows of `count`
  // sequences.
  virtual size_t LseElements(int64_t rows, int64_t count) const;
  // Whether kernels write output rows without gaps only.
  virtual bool DenseOutput() const { return false; }

  const Problem& problem() const { return problem_; }
  const Device& device() const { return device_; }
  int32_t multiprocessors() const { return multiprocessors_; }
  // Of an e4m3 cache; a pass has been checked against them when it is arranged.
  const CacheScales& scales() const { return scales_; }
  bool graph() const { return problem_.graph_sequences > 0; }
  Staging& staging() { return staging_; }
  // The prepared pass.
  const Pass& pass() const { return pass_; }
  std::span<const RowGroup> groups() const { return groups_; }
  const vattn_cache_view& view() const { return view_; }
  cudaStream_t stream() const { return stream_; }
  // [query heads] on the device; nullptr without ALiBi.
  const float* alibi() const { return alibi_.data<float>(); }
  // Of all sequences of the pass, in the caller's order, on the device: for AppendRows.
  const int32_t* pass_first_row() const;  // [sequences + 1]
  const int32_t* pass_kv_length() const;  // [sequences]
  const int32_t* pass_slot() const;       // [sequences]: the slot; paged: its row of pass_table()
  const int32_t* pass_table() const;      // [sequences, pass_table_stride()]; paged
  int64_t pass_table_stride() const { return table_stride_; }

 private:
  struct Arrays;

  vattn_status CheckGraph(const vattn_batch& batch, vattn_stream stream, vattn_error* error) const;
  vattn_status CheckLayer(int32_t layer, vattn_error* error) const;
  vattn_status CheckNewRows(const vattn_tensor* key, const vattn_tensor* value,
                            vattn_error* error) const;
  void MakePass(const vattn_batch& batch);
  void StageGroups(const vattn_batch& batch);
  void FindEmptyRows();
  void RunGroup(size_t index, LayerCall call, const vattn_tensor* lse);

  Problem problem_;
  CacheScales scales_;
  Device device_;
  int32_t multiprocessors_ = 0;
  Staging staging_;
  std::unique_ptr<Arrays> arrays_;
  DeviceBuffer alibi_;
  DeviceBuffer lse_;
  DeviceBuffer gathered_query_;   // of decode rows that lie apart
  DeviceBuffer gathered_output_;  // likewise, and of outputs with gaps for kernels that write none

  bool prepared_ = false;
  Pass pass_;
  std::vector<RowGroup> groups_;
  struct RowRange {
    int32_t first;
    int32_t rows;
  };
  std::vector<RowRange> empty_rows_;  // of sequences in no group
  vattn_cache_view view_{};
  cudaStream_t stream_ = nullptr;
  int64_t table_stride_ = 0;
};

}  // namespace vattention::attention::cuda

#endif  // VATTENTION_ATTENTION_CUDA_DEVICE_PLAN_H_
