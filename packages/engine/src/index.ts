/**
 * Continuous batching over any KV cache and attention backend, with model loaders and a tokenizer.
 * @packageDocumentation
 */
export { measureReadBandwidth, probeEngine } from './addon.ts'
export { Engine, type DisposeOptions } from './engine/engine.ts'
export type { EngineLimits, EngineOptions, EngineParts } from './engine/engine-options.ts'
export type { EngineEvent, PassEvent } from './engine/event.ts'
export type { GenerateOptions } from './engine/generate-options.ts'
export type {
  FinishReason,
  Generation,
  GenerationPart,
  GenerationResult,
  GenerationTimings,
  GenerationUsage,
  TokenCandidate,
  TokenLogprobs,
} from './engine/generation.ts'
export type { HistogramSnapshot } from './engine/histogram.ts'
export type { EngineMetrics } from './engine/metrics.ts'
export { attentionConfig } from './engine/native-runner.ts'
export type { ForwardRunner } from './engine/runner.ts'
export type { SamplingOptions } from './engine/sampling-options.ts'
export { engineErrors } from './errors.ts'
export { kvCacheShape, type KvCacheShapeOptions } from './model/cache-shape.ts'
export {
  countParameters,
  supportedArchitectures,
  storageTypes,
  type Architecture,
  type ModelConfig,
  type ModelDescription,
} from './model/description.ts'
export {
  describeShape,
  loadModel,
  randomModel,
  type LoadModelOptions,
  type LoadProgress,
  type RandomModelOptions,
  type WeightFormat,
} from './model/load-model.ts'
export { LoadedModel } from './model/loaded-model.ts'
export { describeModel } from './model/read-model.ts'
export { modelShapes, type ModelShape, type ModelShapeName } from './model/shapes.ts'
export type {
  ForwardBatch,
  ForwardResult,
  RowSampling,
  StorageType,
  WeightRole,
  WeightSource,
} from './native.ts'
export type { ChatMessage, ChatTemplateOptions } from './tokenizer/chat-template.ts'
export {
  ModelTokenizer,
  type DecodeOptions,
  type EncodeOptions,
} from './tokenizer/model-tokenizer.ts'
export type { TokenizerSource } from './tokenizer/source.ts'
export type { TextStream } from './tokenizer/text-stream.ts'
