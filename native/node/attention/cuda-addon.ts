import { errors } from '@vattention/interface'

import { loadAddon } from '../load-addon.ts'
import type { BackendAddon } from './backend-addon.ts'
import type { BuiltKernels } from './built-kernels.ts'

/** The addon of a backend on CUDA (cuda_addon.h). */
export interface CudaAddon extends BackendAddon {
  /** JSON: {@link BuiltKernels} */
  readonly built: string
  /** JSON: {@link CudaDevices}. Never throws for what the machine lacks. */
  devices(): string
}

/** A GPU. Its index is its place in the list. */
export interface CudaDevice {
  readonly name: string
  /** `9.0` */
  readonly computeCapability: string
  readonly memoryBytes: number
  readonly multiprocessors: number
}

/** What an addon finds out about the machine. */
export interface CudaDevices {
  /** The newest CUDA that the driver supports, `13.0`; empty without a driver. */
  readonly driver: string
  /** The CUDA that the addon was built with. */
  readonly runtime: string
  readonly devices: readonly CudaDevice[]
  /** Why there are none: the driver call, its code, and the reason in words. */
  readonly failed?: { readonly call: string; readonly code: number; readonly reason: string }
}

/** Where a package's addon is. */
export interface CudaAddonPlace {
  /** `@vattention/flash-attention-3` */
  readonly name: string
  /** `import.meta.url` of a module of that package. */
  readonly from: string
  /** Defaults to `addon.node`. */
  readonly file?: string
}

/**
 * Loads an addon that `npm run build:cuda` builds. It loads without a GPU too.
 * @throws `ERR_VATTENTION_NATIVE_LOAD` with every place that was tried.
 */
export function loadCudaAddon<Addon extends CudaAddon = CudaAddon>(place: CudaAddonPlace): Addon {
  return loadAddon<Addon>({
    ...place,
    build: 'npm run build:cuda',
    createError: errors.nativeLoad,
  })
}

/** What an addon's kernels were compiled for. */
export function builtKernels({ built }: CudaAddon): BuiltKernels {
  return JSON.parse(built) as BuiltKernels
}

/** The GPUs that an addon sees. */
export function cudaDevices(addon: CudaAddon): CudaDevices {
  return JSON.parse(addon.devices()) as CudaDevices
}
