/**
 * The KV cache of PagedAttention: a pool of blocks and a table of them for each sequence, behind the
 * same interface as the contiguous cache.
 * @packageDocumentation
 */
export type { FaultPlan } from '../../../native/node/fault-plan.ts'
export type { PagedGeometry } from './geometry.ts'
export { PagedFence } from './paged-fence.ts'
export { PagedKvCache } from './paged-kv-cache.ts'
export { blockSizes, pagedReasons, type PagedTestOptions } from './paged-options.ts'
