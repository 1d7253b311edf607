/**
 * FlashAttention-3 on NVIDIA Hopper GPUs over contiguous and paged KV caches: upstream's kernels, compiled as they are.
 * @packageDocumentation
 */
export type { BuiltKernels } from '../../../native/node/attention/built-kernels.ts'
export type { CudaDevice, CudaDevices } from '../../../native/node/attention/cuda-addon.ts'
export type { CudaBackendOptions } from '../../../native/node/attention/cuda-backend.ts'
export type { TablePlan as FlashAttention3Plan } from '../../../native/node/attention/table-plan.ts'
export { devices } from './addon.ts'
export { flashAttention3Capabilities } from './capabilities.ts'
export {
  createFlashAttention3Backend,
  createFlashAttention3Backend as createBackend,
  FlashAttention3Backend,
} from './flash-attention-3-backend.ts'
