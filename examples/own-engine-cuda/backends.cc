#include "backends.h"

#ifdef OWN_ENGINE_FLASH_ATTENTION_2
#include "attention/flash_attention_2/flash_attention_2_backend.h"
#endif
#ifdef OWN_ENGINE_FLASH_ATTENTION_3
#include "attention/flash_attention_3/flash_attention_3_backend.h"
#endif
#ifdef OWN_ENGINE_FLASHINFER
#include "attention/flashinfer/flashinfer_backend.h"
#endif

namespace own_engine {
namespace {

// Static tables: nothing to make, nothing to free.
using Table = const vattn_backend* (*)();
constexpr Table kTables[] = {
#ifdef OWN_ENGINE_FLASH_ATTENTION_2
    vattn_flash_attention_2_backend,
#endif
#ifdef OWN_ENGINE_FLASH_ATTENTION_3
    vattn_flash_attention_3_backend,
#endif
#ifdef OWN_ENGINE_FLASHINFER
    vattn_flashinfer_backend,
#endif
};

}  // namespace

const vattn_backend* FindBackend(const std::string& name) {
  for (const Table table : kTables) {
    if (name.empty() || name == table()->name) return table();
  }
  return nullptr;
}

std::string BackendNames() {
  std::string names;
  for (const Table table : kTables) {
    if (!names.empty()) names += ", ";
    names += table()->name;
  }
  return names;
}

}  // namespace own_engine
