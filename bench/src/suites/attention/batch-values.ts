import { InvalidArgumentError } from 'commander'

import { tokensLabel } from './cache-label.ts'

/** Sequences that decode a token each: `16x1024`. */
export interface Batch {
  readonly sequences: number
  /** Of each sequence, in the cache. */
  readonly tokens: number
}

/** New tokens behind a prefix: `512@8192`. */
export interface Chunk {
  /** New ones. */
  readonly chunk: number
  /** In the cache, the new ones included. */
  readonly tokens: number
}

/** A chunk and decoding sequences in one pass: `512@8192+31x8192`. */
export interface Mixed extends Chunk {
  /** That decode. */
  readonly decoding: number
}

/** Reads `16x1024`. */
export function batchOf(text: string): Batch {
  const [, sequences, tokens] = /^([1-9]\d*)x([1-9]\d*)$/.exec(text) ?? []
  if (tokens !== undefined) return { sequences: Number(sequences), tokens: Number(tokens) }
  throw new InvalidArgumentError(`Expected sequences x tokens, as 16x1024, not "${text}".`)
}

/** Reads `512@8192`. */
export function chunkOf(text: string): Chunk {
  const [, digits, all] = /^([1-9]\d*)@([1-9]\d*)$/.exec(text) ?? []
  const [chunk, tokens] = [Number(digits), Number(all)]
  if (chunk <= tokens) return { chunk, tokens }
  throw new InvalidArgumentError(
    `Expected new tokens @ tokens in the cache, as 512@8192, not "${text}".`,
  )
}

/** Reads `512@8192+31x8192`; all sequences have the same number of tokens in the cache. */
export function mixedOf(text: string): Mixed {
  const [left = '', right] = text.split('+', 2)
  if (right === undefined) {
    throw new InvalidArgumentError(`Expected a chunk and a batch, as 512@8192+31x8192.`)
  }
  const [chunk, batch] = [chunkOf(left), batchOf(right)]
  if (chunk.tokens === batch.tokens) return { ...chunk, decoding: batch.sequences }
  throw new InvalidArgumentError(`Expected the same tokens in the cache on both sides of +.`)
}

/** `16 x 1K` */
export const batchLabel = ({ sequences, tokens }: Batch): string =>
  `${sequences} x ${tokensLabel(tokens)}`
