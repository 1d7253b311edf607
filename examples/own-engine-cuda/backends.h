// The attention backends that are linked in.
#ifndef OWN_ENGINE_BACKENDS_H_
#define OWN_ENGINE_BACKENDS_H_

#include <string>

#include "vattention/attention.h"

namespace own_engine {

// The table of the backend called `name`; empty: the first. nullptr when none is called so.
const vattn_backend* FindBackend(const std::string& name);
// All names, separated by commas.
std::string BackendNames();

}  // namespace own_engine

#endif  // OWN_ENGINE_BACKENDS_H_
