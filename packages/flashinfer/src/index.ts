/**
 * FlashInfer on NVIDIA GPUs over contiguous and paged KV caches: upstream's kernels, compiled as they are.
 * @packageDocumentation
 */
export type { BuiltKernels } from '../../../native/node/attention/built-kernels.ts'
export type { CudaDevice, CudaDevices } from '../../../native/node/attention/cuda-addon.ts'
export type { CudaBackendOptions } from '../../../native/node/attention/cuda-backend.ts'
export type { TablePlan as FlashInferPlan } from '../../../native/node/attention/table-plan.ts'
export { devices } from './addon.ts'
export { flashInferCapabilities, flashInferHopperCapabilities } from './capabilities.ts'
export {
  createFlashInferBackend,
  createFlashInferBackend as createBackend,
  FlashInferBackend,
} from './flashinfer-backend.ts'
export {
  createFlashInferHopperBackend,
  FlashInferHopperBackend,
} from './flashinfer-hopper-backend.ts'
