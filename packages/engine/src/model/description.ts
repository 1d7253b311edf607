/**
 * A model as its file describes it: the numbers, where each tensor lies, and what its tokenizer is
 * made of. Reading a description reads headers only.
 */
import type { NativeModelConfig, StorageType, WeightSource } from '../native.ts'
import type { TokenizerSource } from '../tokenizer/source.ts'

/** The numbers of a Llama-family model. */
export type ModelConfig = Omit<NativeModelConfig, 'weights'>

/** Architectures that the engine computes, by the name that GGUF and Hugging Face give them. */
export const supportedArchitectures = ['llama', 'mistral', 'qwen2', 'qwen3'] as const

/** One of {@link supportedArchitectures}. Yi, SmolLM2 and Llama 2 and 3 are `llama`. */
export type Architecture = (typeof supportedArchitectures)[number]

/** Bytes per group of elements of each storage type, as the file holds them. */
export const storageTypes: Readonly<Record<StorageType, { elements: number; bytes: number }>> = {
  F32: { elements: 1, bytes: 4 },
  F16: { elements: 1, bytes: 2 },
  BF16: { elements: 1, bytes: 2 },
  Q8_0: { elements: 32, bytes: 34 },
  Q4_0: { elements: 32, bytes: 18 },
  Q4_1: { elements: 32, bytes: 20 },
  Q5_0: { elements: 32, bytes: 22 },
  Q5_1: { elements: 32, bytes: 24 },
  Q4_K: { elements: 256, bytes: 144 },
  Q5_K: { elements: 256, bytes: 176 },
  Q6_K: { elements: 256, bytes: 210 },
}

/** Whether `name` is a storage type that can be read. */
export function isStorageType(name: string): name is StorageType {
  return Object.hasOwn(storageTypes, name)
}

/** Bytes that a tensor takes in its file. */
export function storedBytes({ type, shape }: Pick<WeightSource, 'type' | 'shape'>): number {
  const { elements, bytes } = storageTypes[type]
  return (shape.reduce((product, size) => product * size, 1) / elements) * bytes
}

/** A model, described. */
export interface ModelDescription {
  readonly format: 'gguf' | 'safetensors' | 'random'
  /** File or folder; the shape's name for random weights. */
  readonly path: string
  /** What the file calls itself, else the path's last part. */
  readonly name: string
  readonly architecture: Architecture
  readonly config: ModelConfig
  /** Tokens that the model was trained for. */
  readonly contextLength: number
  /** Sliding window of every layer, in tokens; absent when each token sees all before it. */
  readonly window?: number
  /** `[ropeDims / 2]` from a config; a GGUF file has them as a tensor. */
  readonly ropeFactors?: Float32Array
  readonly parameters: number
  /** Bytes of all tensors as stored. */
  readonly weightBytes: number
  /** Storage types and how many tensors have each. */
  readonly storage: Readonly<Partial<Record<StorageType, number>>>
  /** Where the tensors lie; empty for random weights. */
  readonly tensors: readonly WeightSource[]
  /** Absent for random weights. */
  readonly tokenizer?: TokenizerSource
}

/** Parameters of a model with `config`, biases and norms included where they exist. */
export function countParameters(config: ModelConfig): number {
  const { hiddenSize, feedForwardSize, vocabularySize, layers, headDim } = config
  const query = config.queryHeads * headDim * hiddenSize
  const keyValue = 2 * config.kvHeads * headDim * hiddenSize
  const layer = 2 * query + keyValue + 3 * hiddenSize * feedForwardSize + 2 * hiddenSize
  const embeddings = (config.tiedEmbeddings ? 1 : 2) * vocabularySize * hiddenSize
  return layers * layer + embeddings + hiddenSize
}
