#include "driver_calls.h"

#include <unistd.h>

#include <chrono>
#include <memory>
#include <span>
#include <string_view>

#include "memory/cuda_context.h"
#include "memory/devices.h"

namespace vattention::core {
namespace {

using Clock = std::chrono::steady_clock;

// Runs a call and notes how long it took, when it succeeded.
template <typename Call>
DriverStatus Timed(std::vector<double>* nanoseconds, Call&& call) {
  const Clock::time_point begun = Clock::now();
  const DriverStatus status = call();
  const Clock::time_point ended = Clock::now();
  if (status.ok()) {
    nanoseconds->push_back(std::chrono::duration<double, std::nano>(ended - begun).count());
  }
  return status;
}

// Mapping and setting access apart, which the driver's own Map does together.
class CudaMapping {
 public:
  explicit CudaMapping(std::shared_ptr<CudaContext> context)
      : context_(std::move(context)), scope_(*context_) {
    access_.location.id = context_->device_index();
  }

  DriverStatus Map(uintptr_t address, std::span<const PagePiece> pages) {
    for (const PagePiece& page : pages) {
      const cuda::Result result = api().memory_map(address, page.bytes, 0, page.handle, 0);
      if (result != cuda::kSuccess) return cuda::Failed("cuMemMap", result);
      address += page.bytes;
    }
    return {};
  }
  DriverStatus SetAccess(uintptr_t address, uint64_t bytes) {
    return cuda::Check("cuMemSetAccess", api().set_access(address, bytes, &access_, 1));
  }
  // Of all that was mapped, also when mapping ended early.
  DriverStatus Unmap(uintptr_t address, std::span<const PagePiece> pages) {
    DriverStatus first;
    for (const PagePiece& page : pages) {
      const cuda::Result result = api().memory_unmap(address, page.bytes);
      if (result != cuda::kSuccess && first.ok()) first = cuda::Failed("cuMemUnmap", result);
      address += page.bytes;
    }
    return first;
  }

 private:
  const cuda::Api& api() const { return context_->api(); }

  const std::shared_ptr<CudaContext> context_;
  const CudaContext::Scope scope_;
  cuda::AccessDescriptor access_;
};

// The rounds of one measurement.
class Rounds {
 public:
  Rounds(const DriverCallOptions& options, Driver* driver, CudaMapping* apart)
      : driver_(driver),
        apart_(apart),
        page_bytes_(options.page_bytes),
        handles_(options.handles),
        bytes_(options.page_bytes * static_cast<uint64_t>(options.handles)) {
    pages_.reserve(static_cast<size_t>(handles_));
  }

  DriverStatus Run() {
    DriverStatus status = Timed(&reserve_, [this] { return driver_->Reserve(bytes_, &address_); });
    if (!status.ok()) return status;
    status = WithAddresses();
    const DriverStatus freed =
        Timed(&free_reservation_, [this] { return driver_->FreeReservation(address_, bytes_); });
    return status.ok() ? freed : status;
  }

  void AppendTo(std::vector<DriverCallTimes>* times) {
    const auto add = [times](const char* call, std::vector<double>* samples) {
      if (!samples->empty()) times->push_back({call, std::move(*samples)});
    };
    add("reserve", &reserve_);
    add("create", &create_);
    add("map", &map_);
    add("setAccess", &set_access_);
    add("mapAndSetAccess", &map_and_set_access_);
    add("unmap", &unmap_);
    add("release", &release_);
    add("freeReservation", &free_reservation_);
    add("export", &export_);
  }

 private:
  DriverStatus WithAddresses() {
    std::vector<PageHandle> made;
    made.reserve(static_cast<size_t>(handles_));
    DriverStatus status =
        Timed(&create_, [&] { return driver_->Create(page_bytes_, handles_, kNoPage, &made); });
    if (!status.ok()) return status;
    pages_.clear();
    for (const PageHandle handle : made) pages_.push_back({handle, page_bytes_});
    status = WithPages();
    // Whatever happened: the pages go back.
    const DriverStatus released = Timed(&release_, [this] {
      DriverStatus first;
      for (const PagePiece& page : pages_) {
        const DriverStatus each = driver_->Release(page.handle, page.bytes);
        if (first.ok()) first = each;
      }
      return first;
    });
    return status.ok() ? released : status;
  }

  DriverStatus WithPages() {
    DriverStatus status =
        Timed(&map_and_set_access_, [this] { return driver_->Map(address_, pages_, false); });
    if (!status.ok()) return status;
    const DriverStatus exported = Export();
    status = Timed(&unmap_, [this] { return driver_->Unmap(address_, bytes_); });
    if (!exported.ok()) return exported;
    return status.ok() && apart_ != nullptr ? Apart() : status;
  }

  DriverStatus Apart() {
    DriverStatus status = Timed(&map_, [this] { return apart_->Map(address_, pages_); });
    if (status.ok()) {
      status = Timed(&set_access_, [this] { return apart_->SetAccess(address_, bytes_); });
    }
    const DriverStatus unmapped = apart_->Unmap(address_, pages_);
    return status.ok() ? unmapped : status;
  }

  DriverStatus Export() {
    std::vector<int> files;
    std::vector<PagePlace> places;
    const DriverStatus status =
        Timed(&export_, [&] { return driver_->Export({pages_.data(), 1}, true, &files, &places); });
    for (const int file : files) close(file);
    // A device whose memory cannot be shared has no such call.
    return status.status == VATTN_UNSUPPORTED ? DriverStatus{} : status;
  }

  Driver* const driver_;
  CudaMapping* const apart_;
  const uint64_t page_bytes_;
  const int handles_;
  const uint64_t bytes_;
  uintptr_t address_ = 0;
  std::vector<PagePiece> pages_;
  std::vector<double> reserve_, create_, map_, set_access_, map_and_set_access_, unmap_, release_,
      free_reservation_, export_;
};

Status CheckPageBytes(const Driver& driver, uint64_t page_bytes) {
  const uint64_t unit = driver.limits().granularity;
  if (page_bytes > 0 && page_bytes % unit == 0) return {};
  return Status::InvalidArgument("Expected pageBytes to be a multiple of ", unit,
                                 ", which is what this device maps; received ", page_bytes, ".");
}

Status Prepare(int32_t device_type, int32_t device_index, uint64_t page_bytes,
               std::unique_ptr<Driver>* driver) {
  if (Status made = MakeDriver(device_type, device_index, nullptr, driver); !made.ok()) return made;
  return CheckPageBytes(**driver, page_bytes);
}

}  // namespace

Status MeasureDriverCalls(const DriverCallOptions& options, std::vector<DriverCallTimes>* times) {
  std::unique_ptr<Driver> driver;
  if (Status ready =
          Prepare(options.device_type, options.device_index, options.page_bytes, &driver);
      !ready.ok()) {
    return ready;
  }
  std::unique_ptr<CudaMapping> apart;
  if (options.device_type == VATTN_DEVICE_CUDA) {
    std::string why;
    auto context = CudaContext::Make(options.device_index, &why);
    if (context == nullptr) return Status::Error(VATTN_UNSUPPORTED, why);
    apart = std::make_unique<CudaMapping>(std::move(context));
  }
  Rounds rounds(options, driver.get(), apart.get());
  for (int i = 0; i < options.rounds; ++i) {
    if (const DriverStatus status = rounds.Run(); !status.ok()) {
      return Status::OfDriver(status, "measuring the calls of the driver");
    }
  }
  rounds.AppendTo(times);
  return {};
}

}  // namespace vattention::core
