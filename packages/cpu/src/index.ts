/**
 * SIMD attention on the CPU over contiguous and paged KV caches.
 * @packageDocumentation
 */
export { cpuCapabilities } from './capabilities.ts'
export {
  CpuBackend,
  createCpuBackend,
  createCpuBackend as createBackend,
  type CpuBackendOptions,
} from './cpu-backend.ts'
export type { TablePlan as CpuPlan } from '../../../native/node/attention/table-plan.ts'
