/** Features: each alone, and in the pairs that a backend declares. */
import type { Capabilities } from '@vattention/interface'

import { baseConfig, type CacheKind, type ConfigOverrides } from './base-config.ts'
import type { BackendCase } from './context.ts'
import { passCase, smallBatch, type Lengths } from './pass-case.ts'

const group = 'features'

/** A feature's settings, for a number of query heads. */
type Feature = (queryHeads: number) => ConfigOverrides

/** The slopes of the ALiBi paper: a geometric row. */
const slopes = (heads: number) =>
  Float32Array.from({ length: heads }, (_, head) => 2 ** ((-8 * (head + 1)) / heads))

/** Some sinks that outweigh every score and some that hardly count. */
const sinks = (heads: number) =>
  Float32Array.from({ length: heads }, (_, head) => 5 - 2.5 * (head % 4))

/** A scale that makes scores reach the caps: their deviation becomes 4 instead of 1. */
const wideScale = (headDim: number) => 4 / Math.sqrt(headDim)

const windows = [1, 4, 14, 24, 38, 44, 64, 128, 1000]
const caps = [15, 30, 50]

/** Lengths of FlashInfer's window and cap suites, and one past the edge of a tile. */
const lengths = [1, 3, 9, 19, 81, 99, 199, 257]

/** Batches in which a feature shows: whole prompts, chunks behind a context, single tokens. */
const batches: readonly (readonly [name: string, batch: readonly Lengths[]])[] = [
  ['prompts', lengths.map((length) => [length, length])],
  ['chunks', [...lengths, 729].map((length) => [Math.ceil(length / 7), length])],
  ['decoding', [...lengths, 729].map((length) => [1, length])],
]

/** Cases of features, over a cache of `kind`. */
export function featureCases(capabilities: Capabilities, kind: CacheKind): BackendCase[] {
  const plain = baseConfig(capabilities, kind)
  const { headDim } = plain.cache.shape
  const scale = wideScale(headDim)
  const alone: (readonly [name: string, feature: Feature])[] = [
    ['a scale', () => ({ scale: 0.37 })],
    ...windows.map((window) => [`window ${window}`, () => ({ window })] as const),
    ...caps.map((softCap) => [`soft cap ${softCap}`, () => ({ softCap, scale })] as const),
    ['ALiBi', (heads) => ({ alibiSlopes: slopes(heads) })],
    ['sinks', (heads) => ({ sinks: sinks(heads) })],
    ['non-causal', () => ({ causal: false })],
    ['no LSE asked for', () => ({ needsLse: false })],
    ['batch invariance asked for', () => ({ batchInvariant: true })],
  ]
  const combined: (readonly [name: string, feature: Feature])[] = [
    ['a window of more than 2^31 tokens', () => ({ window: 2 ** 31 + 8 })],
    ['window and soft cap', () => ({ window: 37, softCap: 20, scale })],
    ['window and ALiBi', (heads) => ({ window: 37, alibiSlopes: slopes(heads) })],
    ['window and sinks', (heads) => ({ window: 37, sinks: sinks(heads) })],
    ['soft cap and ALiBi', (heads) => ({ softCap: 20, scale, alibiSlopes: slopes(heads) })],
    ['soft cap and sinks', (heads) => ({ softCap: 20, scale, sinks: sinks(heads) })],
    ['ALiBi and sinks', (heads) => ({ alibiSlopes: slopes(heads), sinks: sinks(heads) })],
    ['non-causal and soft cap', () => ({ causal: false, softCap: 20, scale })],
    ['non-causal and ALiBi', (heads) => ({ causal: false, alibiSlopes: slopes(heads) })],
    ['non-causal and sinks', (heads) => ({ causal: false, sinks: sinks(heads) })],
  ]
  const make = (name: string, feature: Feature, batch: readonly Lengths[], combination = false) =>
    passCase({
      group,
      name,
      config: baseConfig(capabilities, kind, feature(plain.queryHeads)),
      batch,
      combination,
    })
  return [
    ...alone.flatMap(([name, feature]) =>
      batches.map(([shape, batch]) => make(`${name}, ${shape}`, feature, batch)),
    ),
    ...combined.map(([name, feature]) => make(name, feature, smallBatch(capabilities), true)),
  ]
}
