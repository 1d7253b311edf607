// The driver of NVIDIA GPUs: CUDA's virtual memory management.
//
// A page is one allocation (cuMemCreate), mapped whole. Cost is per page and not per byte, so large
// classes are what makes prompts cheap; and mapping neither waits for kernels nor blocks them, so
// nothing but the cache's fences protects a page in use. Zeroing and copying happen on a stream of
// the driver's own.
#ifndef VATTENTION_NATIVE_MEMORY_CUDA_DRIVER_H_
#define VATTENTION_NATIVE_MEMORY_CUDA_DRIVER_H_

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "memory/cuda_context.h"
#include "memory/driver.h"

namespace vattention {

class CudaDriver final : public Driver {
 public:
  // On failure returns nullptr: *status has the call, and *why says in words what is missing.
  static std::unique_ptr<CudaDriver> Make(int device_index, DriverStatus* status, std::string* why);
  // Unmaps and releases whatever is left.
  ~CudaDriver() override;

  // What geometry needs without a device.
  static const std::vector<uint64_t>& DefaultPageClasses();
  static constexpr uint64_t kGranularity = uint64_t{2} << 20;
  static constexpr uint64_t kMaxReservation = uint64_t{1} << 46;

  const char* name() const override { return "cuda"; }
  const DriverLimits& limits() const override { return limits_; }
  uint64_t AvailableBytes() override;

  DriverStatus Reserve(uint64_t bytes, uintptr_t* address) override;
  DriverStatus FreeReservation(uintptr_t address, uint64_t bytes) override;
  DriverStatus Create(uint64_t page_bytes, int count, PageHandle after,
                      std::vector<PageHandle>* handles) override;
  DriverStatus Release(PageHandle handle, uint64_t page_bytes) override;
  DriverStatus Split(PageHandle handle, uint64_t page_bytes, uint64_t part_bytes) override;
  DriverStatus Map(uintptr_t address, std::span<const PagePiece> pages, bool read_only) override;
  DriverStatus Unmap(uintptr_t address, uint64_t bytes) override;
  DriverStatus Zero(uintptr_t address, uint64_t bytes) override;
  DriverStatus Copy(uintptr_t to, uintptr_t from, uint64_t bytes) override;
  DriverStatus ZeroRows(uintptr_t address, uint64_t bytes, uint64_t pitch, int64_t rows) override;
  DriverStatus CopyRows(uintptr_t to, uintptr_t from, uint64_t bytes, uint64_t pitch,
                        int64_t rows) override;
  DriverStatus CopyPlanes(uintptr_t to, uintptr_t from, const Planes& planes) override;
  DriverStatus Record(vattn_stream stream, std::unique_ptr<DriverEvent>* event) override;
  DriverStatus MakeStreamWait(vattn_stream stream) override;
  DriverStatus WaitFor(DriverEvent* event) override;
  DriverStatus RecordOwn(std::unique_ptr<DriverEvent>* event) override;
  void Retire() override;
  DriverStatus Export(std::span<const PagePiece> pages, bool writable, std::vector<int>* files,
                      std::vector<PagePlace>* places) override;
  DriverStatus MapExported(uintptr_t address, uint64_t bytes, int file, uint64_t offset,
                           bool read_only) override;

 private:
  struct Mapping {
    PagePiece page;
    bool read_only;
  };

  explicit CudaDriver(std::shared_ptr<CudaContext> context);
  DriverStatus MapPages(uintptr_t address, std::span<const PagePiece> pages, bool read_only);
  // Counts work that was given to the stream.
  DriverStatus Submitted(const char* call, cuda::Result result);
  // Waits for what Zero and Copy were asked to do so far: unmapping does not.
  DriverStatus Settle();
  // That the first so many pieces of work are done.
  void MarkSettled(uint64_t submitted);

  const std::shared_ptr<CudaContext> context_;
  const cuda::Api& api_;
  cuda::AllocationProperties properties_;
  DriverLimits limits_;
  cuda::Stream stream_ = nullptr;
  std::atomic<uint64_t> submitted_ = 0;  // pieces of work on the stream
  std::atomic<uint64_t> settled_ = 0;    // as many of them are known to be done
  std::mutex mutex_;
  std::map<uintptr_t, Mapping> mapped_;               // guarded by mutex_: by address
  std::unordered_map<PageHandle, uint64_t> created_;  // guarded by mutex_: bytes
  std::map<uintptr_t, uint64_t> reserved_;            // guarded by mutex_: address -> bytes
  std::map<int, PageHandle> imported_;                // guarded by mutex_: by file
};

}  // namespace vattention

#endif  // VATTENTION_NATIVE_MEMORY_CUDA_DRIVER_H_
