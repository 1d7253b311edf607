/** The native addon of this package: C++ is reached only through these types. */
import {
  cudaDevices,
  loadCudaAddon,
  type CudaAddon,
  type CudaDevices,
} from '../../../native/node/attention/cuda-addon.ts'

/** Two tables: kernels in the style of FlashAttention-2, and those for Hopper beside them. */
export interface FlashInferAddon extends CudaAddon {
  readonly hopper: CudaAddon
}

let loaded: FlashInferAddon | undefined

/**
 * The addon, loaded by the first call: importing this package does nothing.
 * @throws `ERR_VATTENTION_NATIVE_LOAD` with every place that was tried.
 */
export function addon(): FlashInferAddon {
  loaded ??= loadCudaAddon<FlashInferAddon>({
    name: '@vattention/flashinfer',
    from: import.meta.url,
  })
  return loaded
}

/**
 * The GPUs of this machine as this package's addon sees them, or why there are none. Needs neither a
 * GPU nor a driver.
 * @throws `ERR_VATTENTION_NATIVE_LOAD` with every place that was tried.
 */
export function devices(): CudaDevices {
  return cudaDevices(addon())
}
