/**
 * The test kit that any attention backend or KV cache must pass. Cases are data: run them with the
 * vitest adapter in `@vattention/conformance/vitest`, with `node:test`, or with {@link runCases} in
 * a bare script.
 * @packageDocumentation
 */
export * from './case.ts'
export { backendSuite, cacheSuite, type Suite, type SuiteCase } from './suite.ts'
export { backendGrid, suitesOrReason } from './backend-grid.ts'
export * from './subject.ts'
export * from './memory.ts'
export { hostMemory } from './host-memory.ts'
export { deviceMemory } from './device-memory.ts'
export { streamCapture, type CapturedWork, type StreamCapture } from './stream-capture.ts'
export { CacheRows, type KeyOrValue } from './cache-rows.ts'
export { backendCases } from './backend/backend-cases.ts'
export { backendContext, cacheContext } from './contexts.ts'
export type { BackendCase, BackendContext } from './backend/context.ts'
export type { BackendNeeds, CapabilityFlag, DescribedConfig } from './backend/needs.ts'
export { cacheCases } from './cache/cache-cases.ts'
export type { CacheCase, CacheContext, CacheNeeds } from './cache/context.ts'
export {
  fuzzCache,
  type FuzzOptions,
  type FuzzReport,
  type FuzzSubject,
  type MakeFuzzSubject,
} from './fuzz/index.ts'
export { fillRandom, mix, Random } from './random.ts'
export { rounding, roundAll, type Rounding } from './number-formats.ts'
export {
  referenceAttention,
  referenceMerge,
  type ReferenceInput,
  type ReferenceOutput,
} from './reference-attention.ts'
export { lseBound, outputBound, type Circumstances } from './tolerance.ts'
