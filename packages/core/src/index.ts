/**
 * The vAttention cache: contiguous in virtual memory, backed by physical pages mapped on demand.
 * Also what TypeScript cannot do with an address by itself: tensors of the host and of GPUs, reading,
 * writing and copying them, streams, fences, and capture of a stream into a graph.
 * @packageDocumentation
 */
export { capture, CudaGraph } from './capture.ts'
export { toChromeTrace, type ChromeTraceOptions } from './chrome-trace.ts'
export { ContiguousKvCache } from './contiguous-kv-cache.ts'
export { contiguousReasons, type ContiguousTestOptions } from './contiguous-options.ts'
export { copy } from './copy.ts'
export { CudaStream } from './cuda-stream.ts'
export { CudaTestStream } from './cuda-test-stream.ts'
export { deviceTensor, pinnedTensor, type DeviceTensor } from './device-tensor.ts'
export { deviceMemory, devices, type CudaDeviceInfo, type DeviceList } from './devices.ts'
export {
  driverCalls,
  measureDriverCalls,
  measureMappingCeiling,
  type DriverCall,
  type DriverCallOptions,
  type DriverCallSamples,
  type MappingCeiling,
  type MappingCeilingOptions,
} from './driver-calls.ts'
export type { FaultPlan } from '../../../native/node/fault-plan.ts'
export type { ContiguousGeometry } from './geometry.ts'
export { hostTensor, type HostTensor } from './host-tensor.ts'
export { HostTimeline } from './host-timeline.ts'
export type { Mapper } from './mapper.ts'
export type { OwnedTensor, TensorOwner } from './owned-tensor.ts'
export { PageExport } from './page-export.ts'
export { importPages, PageImport, type ImportedLayer } from './page-import.ts'
export {
  pageManifestVersion,
  type ExportedPage,
  type ExportedTensor,
  type ManifestDevice,
  type PageManifest,
} from './page-manifest.ts'
export type { ExportPagesOptions, ImportPagesOptions } from './page-sharing-options.ts'
export { recordFence, StreamFence, waitFor } from './stream-fence.ts'
export { read, readBits, write } from './tensor-io.ts'
export { recordTime, TimePoint } from './time-point.ts'
export type { TrimOptions } from './trim-options.ts'
