/**
 * Shapes of published models, for runs with random weights: the same work and memory, without a
 * download.
 */
import type { Architecture, ModelConfig } from './description.ts'

/** A model's shape. */
export interface ModelShape {
  readonly architecture: Architecture
  readonly contextLength: number
  readonly config: ModelConfig
}

type Numbers = Pick<
  ModelConfig,
  | 'layers'
  | 'hiddenSize'
  | 'feedForwardSize'
  | 'queryHeads'
  | 'kvHeads'
  | 'vocabularySize'
  | 'ropeBase'
> & {
  readonly contextLength: number
  /** Defaults to `false`. */
  readonly tiedEmbeddings?: boolean
}

function shape(architecture: Architecture, numbers: Numbers): ModelShape {
  const { contextLength, tiedEmbeddings = false, ...rest } = numbers
  const headDim = numbers.hiddenSize / numbers.queryHeads
  return {
    architecture,
    contextLength,
    config: {
      ...rest,
      headDim,
      normEpsilon: 1e-5,
      tiedEmbeddings,
      ropeDims: headDim,
      ropeStyle: 'half',
      ropeScale: 1,
    },
  }
}

/** The shapes by name. */
export const modelShapes = {
  'smollm2-135m': shape('llama', {
    layers: 30,
    hiddenSize: 576,
    feedForwardSize: 1536,
    queryHeads: 9,
    kvHeads: 3,
    vocabularySize: 49152,
    ropeBase: 100_000,
    contextLength: 8192,
    tiedEmbeddings: true,
  }),
  'smollm2-360m': shape('llama', {
    layers: 32,
    hiddenSize: 960,
    feedForwardSize: 2560,
    queryHeads: 15,
    kvHeads: 5,
    vocabularySize: 49152,
    ropeBase: 100_000,
    contextLength: 8192,
    tiedEmbeddings: true,
  }),
  'smollm2-1.7b': shape('llama', {
    layers: 24,
    hiddenSize: 2048,
    feedForwardSize: 8192,
    queryHeads: 32,
    kvHeads: 32,
    vocabularySize: 49152,
    ropeBase: 130_000,
    contextLength: 8192,
    tiedEmbeddings: true,
  }),
  'llama-3.2-1b': shape('llama', {
    layers: 16,
    hiddenSize: 2048,
    feedForwardSize: 8192,
    queryHeads: 32,
    kvHeads: 8,
    vocabularySize: 128256,
    ropeBase: 500_000,
    contextLength: 131072,
    tiedEmbeddings: true,
  }),
  'llama-2-7b': shape('llama', {
    layers: 32,
    hiddenSize: 4096,
    feedForwardSize: 11008,
    queryHeads: 32,
    kvHeads: 32,
    vocabularySize: 32000,
    ropeBase: 10_000,
    contextLength: 4096,
  }),
  'llama-3-8b': shape('llama', {
    layers: 32,
    hiddenSize: 4096,
    feedForwardSize: 14336,
    queryHeads: 32,
    kvHeads: 8,
    vocabularySize: 128256,
    ropeBase: 500_000,
    contextLength: 8192,
  }),
  'mistral-7b': shape('mistral', {
    layers: 32,
    hiddenSize: 4096,
    feedForwardSize: 14336,
    queryHeads: 32,
    kvHeads: 8,
    vocabularySize: 32768,
    ropeBase: 1_000_000,
    contextLength: 32768,
  }),
  'yi-6b-200k': shape('llama', {
    layers: 32,
    hiddenSize: 4096,
    feedForwardSize: 11008,
    queryHeads: 32,
    kvHeads: 4,
    vocabularySize: 64000,
    ropeBase: 5_000_000,
    contextLength: 200_000,
  }),
  'yi-34b-200k': shape('llama', {
    layers: 60,
    hiddenSize: 7168,
    feedForwardSize: 20480,
    queryHeads: 56,
    kvHeads: 8,
    vocabularySize: 64000,
    ropeBase: 5_000_000,
    contextLength: 200_000,
  }),
} as const satisfies Readonly<Record<string, ModelShape>>

/** A name in {@link modelShapes}. */
export type ModelShapeName = keyof typeof modelShapes
