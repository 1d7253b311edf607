/** The native addon of this package: C++ is reached only through these types. */
import { errors } from '@vattention/interface'

import type { BackendAddon } from '../../../native/node/attention/backend-addon.ts'
import { loadAddon } from '../../../native/node/load-addon.ts'

/** The whole addon. */
export interface CpuAddon extends BackendAddon {
  /** The instruction set in use: `AVX3`, `AVX2`, `SSE2`, `NEON`. */
  readonly target: string
}

let loaded: CpuAddon | undefined

/**
 * The addon, loaded by the first call: importing this package does nothing.
 * @throws `ERR_VATTENTION_NATIVE_LOAD` with every place that was tried.
 */
export function addon(): CpuAddon {
  loaded ??= loadAddon<CpuAddon>({
    name: '@vattention/cpu',
    from: import.meta.url,
    createError: errors.nativeLoad,
  })
  return loaded
}
