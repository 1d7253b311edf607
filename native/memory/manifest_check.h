// Whether a manifest of exported pages, which another process wrote, can be believed.
#ifndef VATTENTION_NATIVE_MEMORY_MANIFEST_CHECK_H_
#define VATTENTION_NATIVE_MEMORY_MANIFEST_CHECK_H_

#include <cstdint>

#include "memory/driver.h"
#include "memory/status.h"
#include "vattention/page_export.h"

namespace vattention::memory {

// What can be told without a device: version, counts, arrays that are there.
Status CheckManifestHead(const vattn_page_manifest& manifest, const int32_t* files, bool writable);

// The rest, after the head: tensors lie in the ranges, pages too and apart from each other, and
// there are pages behind every row.
Status CheckManifest(const vattn_page_manifest& manifest, const DriverLimits& limits);

}  // namespace vattention::memory

#endif  // VATTENTION_NATIVE_MEMORY_MANIFEST_CHECK_H_
