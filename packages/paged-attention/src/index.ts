/**
 * The KV cache of PagedAttention: a pool of blocks and a table of them for each sequence, behind the
 * same interface as the contiguous cache. And its kernels on NVIDIA GPUs, as a backend.
 * @packageDocumentation
 */
export type { FaultPlan } from '../../../native/node/fault-plan.ts'
export type { PagedGeometry } from './geometry.ts'
export { PagedFence } from './paged-fence.ts'
export { PagedKvCache } from './paged-kv-cache.ts'
export type { BuiltKernels } from '../../../native/node/attention/built-kernels.ts'
export type { CudaBackendOptions } from '../../../native/node/attention/cuda-backend.ts'
export type { TablePlan as PagedAttentionPlan } from '../../../native/node/attention/table-plan.ts'
export {
  createPagedAttentionBackend,
  createPagedAttentionBackend as createBackend,
  PagedAttentionBackend,
} from './paged-attention-backend.ts'
export { pagedAttentionCapabilities } from './paged-attention-capabilities.ts'
export { blockSizes, pagedReasons, type PagedTestOptions } from './paged-options.ts'
