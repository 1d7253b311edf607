/**
 * FlashAttention-2 on NVIDIA GPUs over contiguous and paged KV caches: upstream's kernels, compiled as they are.
 * @packageDocumentation
 */
export type { BuiltKernels } from '../../../native/node/attention/built-kernels.ts'
export type { CudaDevice, CudaDevices } from '../../../native/node/attention/cuda-addon.ts'
export type { CudaBackendOptions } from '../../../native/node/attention/cuda-backend.ts'
export type { TablePlan as FlashAttention2Plan } from '../../../native/node/attention/table-plan.ts'
export { devices } from './addon.ts'
export { flashAttention2Capabilities } from './capabilities.ts'
export {
  createFlashAttention2Backend,
  createFlashAttention2Backend as createBackend,
  FlashAttention2Backend,
} from './flash-attention-2-backend.ts'
