// Copies and fills. Whether memory is there is asked when the work runs, as on a device, but for
// copies to and from addresses that no call made: their callers are told at once.
#include <cstring>
#include <vector>

#include "simulated_cuda/driver.h"

namespace vattention::simulated {
namespace {

// Rows of bytes, in planes.
struct Area {
  uintptr_t at = 0;
  size_t pitch = 0;
  size_t plane = 0;
};

bool IsKnown(uintptr_t address) { return Memory::Get().TypeOf(address) != 0; }

Result Touch(uintptr_t address, size_t bytes) {
  if (!IsKnown(address) || Memory::Get().IsReachable(address, bytes)) return kSuccess;
  return kIllegalAddress;
}

Result Fill(const Area& to, size_t bytes, size_t rows, uint32_t pattern, size_t unit) {
  for (size_t row = 0; row < rows; ++row) {
    const uintptr_t at = to.at + row * to.pitch;
    if (const Result result = Touch(at, bytes); result != kSuccess) return result;
    if (pattern == 0 || unit == 1) {
      std::memset(reinterpret_cast<void*>(at), static_cast<int>(pattern), bytes);
      continue;
    }
    for (size_t i = 0; i < bytes; i += unit) {
      std::memcpy(reinterpret_cast<void*>(at + i), &pattern, unit);
    }
  }
  return kSuccess;
}

Result SubmitFill(const Area& to, size_t bytes, size_t rows, uint32_t pattern, size_t unit,
                  Stream stream) {
  if (bytes * rows == 0) return kSuccess;
  if (Memory::Get().TypeOf(to.at) != cuda::kMemoryDevice) return kInvalidValue;
  return Submit(stream, {.run = [=] { return Fill(to, bytes, rows, pattern, unit); }});
}

Result CopyAll(const Area& to, const Area& from, size_t bytes, size_t rows, size_t planes) {
  for (size_t plane = 0; plane < planes; ++plane) {
    for (size_t row = 0; row < rows; ++row) {
      const uintptr_t target = to.at + plane * to.plane + row * to.pitch;
      const uintptr_t source = from.at + plane * from.plane + row * from.pitch;
      for (const uintptr_t side : {target, source}) {
        if (const Result result = Touch(side, bytes); result != kSuccess) return result;
      }
      std::memmove(reinterpret_cast<void*>(target), reinterpret_cast<void*>(source), bytes);
    }
  }
  return kSuccess;
}

// Whether the stream is captured, which does not survive being asked here.
bool BreaksCapture(Stream stream) {
  Simulation& simulation = Simulation::Get();
  const std::lock_guard lock(simulation.mutex);
  const auto state = simulation.Find(stream);
  if (state == nullptr || state->capture == nullptr) return false;
  Break(state->capture);
  return true;
}

// Memory of the host that the driver does not know is read before the call returns, and written
// before it does.
Result SubmitCopy(Area to, Area from, size_t bytes, size_t rows, size_t planes, Stream stream) {
  if (bytes * rows * planes == 0) return kSuccess;
  const size_t extent = (planes - 1) * from.plane + (rows - 1) * from.pitch + bytes;
  std::shared_ptr<std::vector<uint8_t>> staged;
  if (!IsKnown(from.at)) {
    const auto* const begin = reinterpret_cast<const uint8_t*>(from.at);
    staged = std::make_shared<std::vector<uint8_t>>(begin, begin + extent);
    from.at = reinterpret_cast<uintptr_t>(staged->data());
  }
  auto end = std::make_shared<Point>();
  const bool waits = !IsKnown(to.at);
  if ((waits || staged != nullptr) && BreaksCapture(stream)) return kUnsupportedInCapture;
  const Result result =
      Submit(stream, {// Keeps what was staged.
                      .run = [=, kept = staged] { return CopyAll(to, from, bytes, rows, planes); },
                      .end = end});
  if (result != kSuccess || !waits) return result;
  return WaitUntil([&] { return end->passed; });
}

// What the caller is told at once: a device's address that nothing is mapped to.
bool IsThere(const Area& area, size_t bytes, size_t rows, size_t planes) {
  if (!IsKnown(area.at)) return true;
  for (size_t plane = 0; plane < planes; ++plane) {
    for (size_t row = 0; row < rows; ++row) {
      const uintptr_t at = area.at + plane * area.plane + row * area.pitch;
      if (!Memory::Get().IsReachable(at, bytes)) return false;
    }
  }
  return true;
}

Result CopyChecked(const Area& to, const Area& from, size_t bytes, size_t rows, size_t planes,
                   Stream stream) {
  if (!IsThere(to, bytes, rows, planes) || !IsThere(from, bytes, rows, planes)) {
    return kInvalidValue;
  }
  return SubmitCopy(to, from, bytes, rows, planes, stream);
}

Area AreaOf(const cuda::Copy3d::End& end) {
  const uintptr_t base = end.type == cuda::kMemoryHost ? reinterpret_cast<uintptr_t>(end.host)
                                                       : static_cast<uintptr_t>(end.device);
  return {base, end.pitch, end.pitch * end.height};
}

}  // namespace

extern "C" {

EXPORTED Result cuMemsetD8Async(DeviceAddress to, unsigned char value, size_t count,
                                Stream stream) {
  return SubmitFill({to, 0, 0}, count, 1, value, 1, stream);
}

EXPORTED Result cuMemsetD32Async(DeviceAddress to, unsigned value, size_t count, Stream stream) {
  if (to % 4 != 0) return kInvalidValue;
  return SubmitFill({to, 0, 0}, 4 * count, 1, value, 4, stream);
}

EXPORTED Result cuMemsetD2D8Async(DeviceAddress to, size_t pitch, unsigned char value, size_t count,
                                  size_t rows, Stream stream) {
  if (count > pitch) return kInvalidValue;
  return SubmitFill({to, pitch, 0}, count, rows, value, 1, stream);
}

EXPORTED Result cuMemsetD2D32Async(DeviceAddress to, size_t pitch, unsigned value, size_t count,
                                   size_t rows, Stream stream) {
  if (to % 4 != 0 || pitch % 4 != 0 || 4 * count > pitch) return kInvalidValue;
  return SubmitFill({to, pitch, 0}, 4 * count, rows, value, 4, stream);
}

EXPORTED Result cuMemcpyDtoDAsync_v2(DeviceAddress to, DeviceAddress from, size_t bytes,
                                     Stream stream) {
  return CopyChecked({to, 0, 0}, {from, 0, 0}, bytes, 1, 1, stream);
}

EXPORTED Result cuMemcpyHtoDAsync_v2(DeviceAddress to, const void* from, size_t bytes,
                                     Stream stream) {
  return CopyChecked({to, 0, 0}, {reinterpret_cast<uintptr_t>(from), 0, 0}, bytes, 1, 1, stream);
}

EXPORTED Result cuMemcpyDtoHAsync_v2(void* to, DeviceAddress from, size_t bytes, Stream stream) {
  return CopyChecked({reinterpret_cast<uintptr_t>(to), 0, 0}, {from, 0, 0}, bytes, 1, 1, stream);
}

EXPORTED Result cuMemcpy2DAsync_v2(const cuda::Copy2d* copy, Stream stream) {
  if (copy->bytes > copy->from_pitch || copy->bytes > copy->to_pitch) return kInvalidValue;
  const uintptr_t from = copy->from_type == cuda::kMemoryHost
                             ? reinterpret_cast<uintptr_t>(copy->from_host)
                             : static_cast<uintptr_t>(copy->from_device);
  const uintptr_t to = copy->to_type == cuda::kMemoryHost
                           ? reinterpret_cast<uintptr_t>(copy->to_host)
                           : static_cast<uintptr_t>(copy->to_device);
  return CopyChecked({to + copy->to_y * copy->to_pitch + copy->to_x, copy->to_pitch, 0},
                     {from + copy->from_y * copy->from_pitch + copy->from_x, copy->from_pitch, 0},
                     copy->bytes, copy->rows, 1, stream);
}

EXPORTED Result cuMemcpy3DAsync_v2(const cuda::Copy3d* copy, Stream stream) {
  return CopyChecked(AreaOf(copy->to), AreaOf(copy->from), copy->bytes, copy->rows, copy->planes,
                     stream);
}

EXPORTED Result cuMemcpy3DPeerAsync(const cuda::Copy3d* copy, Stream stream) {
  if (copy->from.context == nullptr || copy->to.context == nullptr) return kInvalidContext;
  return cuMemcpy3DAsync_v2(copy, stream);
}

EXPORTED Result cuMemcpy2DUnaligned_v2(const cuda::Copy2d* copy) {
  if (const Result result = Enter(); result != kSuccess) return result;
  return cuMemcpy2DAsync_v2(copy, nullptr);
}

}  // extern "C"

}  // namespace vattention::simulated
