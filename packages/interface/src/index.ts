/**
 * The contract of vAttention: what a KV cache and an attention backend are, and the checks they
 * share. No dependencies, no native code.
 * @packageDocumentation
 */
export * from './attention-backend.ts'
export * from './attention-config.ts'
export * from './cache-event.ts'
export * from './cache-stats.ts'
export * from './cache-view.ts'
export * from './capabilities.ts'
export * from './check-batch.ts'
export * from './check-tensors.ts'
export * from './device.ts'
export * from './dtype.ts'
export * from './errors.ts'
export * from './kv-cache.ts'
export * from './options.ts'
export * from './select-backend.ts'
export * from './sequence.ts'
export * from './tensor.ts'
export * from './validate.ts'
