import {
  attentionFlop,
  causalPairs,
  layerTokenBytes,
  uniformPass,
  type AttentionPass,
} from '../../harness/index.ts'
import type { MeasuredCase } from '../../result/index.ts'
import type { NamedShape } from '../../suite/index.ts'
import type { Chunk, Mixed } from '../attention/batch-values.ts'
import { tokensLabel } from '../attention/cache-label.ts'

/** What one cell of the suite computes. */
export interface PrefillCell {
  readonly where: string
  readonly shape: NamedShape
  readonly sequences: number
  /** Tokens in the cache of each sequence. */
  readonly tokens: number
  readonly pass: AttentionPass
  readonly parameters: MeasuredCase['parameters']
  /** Key of ratios between caches. */
  readonly ratioMetric: 'speedRatio' | 'chunkSpeedRatio' | 'mixedSpeedRatio'
  /** Passes that go at one speed. */
  readonly pace: string
}

/** Floating point operations of a pass in one layer; masked pairs do not count. */
export function passFlop(shape: NamedShape, { queryLengths, kvLengths }: AttentionPass): number {
  const pairs = queryLengths.reduce((sum, query, i) => sum + causalPairs(query, kvLengths[i]!), 0)
  return attentionFlop(shape, pairs)
}

/** Bytes of the keys and values that a pass sees in one layer. */
export const passBytes = (shape: NamedShape, { kvLengths }: AttentionPass): number =>
  layerTokenBytes(shape) * kvLengths.reduce((sum, one) => sum + one, 0)

/** A whole prompt. */
export const promptCell = (shape: NamedShape, tokens: number): PrefillCell => ({
  where: `${tokensLabel(tokens)} tokens`,
  shape,
  sequences: 1,
  tokens,
  pass: uniformPass(1, tokens, tokens),
  parameters: { shape: shape.name, tokens, phase: 'rounds' },
  ratioMetric: 'speedRatio',
  pace: `${shape.name} prefill`,
})

/** A chunk of a prompt, whose beginning is in the cache. */
export const chunkCell = (shape: NamedShape, { chunk, tokens }: Chunk): PrefillCell => ({
  where: `chunk of ${tokensLabel(chunk)} at ${tokensLabel(tokens)} tokens`,
  shape,
  sequences: 1,
  tokens,
  pass: uniformPass(1, chunk, tokens),
  parameters: { shape: shape.name, tokens, chunk, phase: 'chunk' },
  ratioMetric: 'chunkSpeedRatio',
  pace: `${shape.name} prefill`,
})

/** A chunk, and sequences that decode beside it in one pass. */
export const mixedCell = (shape: NamedShape, { chunk, tokens, decoding }: Mixed): PrefillCell => ({
  where: `chunk of ${tokensLabel(chunk)} beside ${decoding} decoding at ${tokensLabel(tokens)} tokens`,
  shape,
  sequences: decoding + 1,
  tokens,
  pass: {
    queryLengths: [chunk, ...new Array<number>(decoding).fill(1)],
    kvLengths: new Array<number>(decoding + 1).fill(tokens),
  },
  parameters: { shape: shape.name, tokens, chunk, sequences: decoding + 1, phase: 'mixed' },
  ratioMetric: 'mixedSpeedRatio',
  pace: `${shape.name} mixed`,
})
