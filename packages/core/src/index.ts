/**
 * The vAttention cache: contiguous in virtual memory, backed by physical pages mapped on demand.
 * Also what TypeScript cannot do with an address by itself: host tensors, reading and writing them.
 * @packageDocumentation
 */
export { CacheFence } from './cache-fence.ts'
export { toChromeTrace, type ChromeTraceOptions } from './chrome-trace.ts'
export { ContiguousKvCache } from './contiguous-kv-cache.ts'
export { contiguousReasons, type ContiguousTestOptions } from './contiguous-options.ts'
export type { FaultPlan } from '../../../native/node/fault-plan.ts'
export type { ContiguousGeometry } from './geometry.ts'
export { hostTensor, type HostTensor } from './host-tensor.ts'
export { HostTimeline } from './host-timeline.ts'
export type { Mapper } from './mapper.ts'
export type { OwnedTensor, TensorOwner } from './owned-tensor.ts'
export { read, readBits, write } from './tensor-io.ts'
export type { TrimOptions } from './trim-options.ts'
