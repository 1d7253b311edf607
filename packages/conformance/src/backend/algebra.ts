/**
 * Algebra: what must hold between results. The order of a batch does not matter, the same call gives
 * the same bits, partial results merge into the whole, logits of any size stay finite.
 */
import type { Capabilities } from '@vattention/interface'

import { expect, expectSameBits } from '../expect.ts'
import { Random } from '../random.ts'
import { baseConfig, type CacheKind } from './base-config.ts'
import { firstTokens } from './check-pass.ts'
import type { BackendCase, BackendContext } from './context.ts'
import type { DescribedConfig } from './needs.ts'
import { batchFlags, smallBatch, type Lengths } from './pass-case.ts'
import { doPass } from './pass.ts'
import type { PassResult } from './pass-result.ts'
import type { Scene } from './scene.ts'
import type { RowContent } from './tracked.ts'

const group = 'algebra'

/** Cases of algebra, over a cache of `kind`. */
export function algebraCases(capabilities: Capabilities, kind: CacheKind): BackendCase[] {
  return [
    ...orderCases(capabilities, kind),
    ...invarianceCases(capabilities, kind),
    ...logitCases(capabilities, kind),
  ]
}

const sceneFor = (context: BackendContext, config: DescribedConfig, batch: readonly Lengths[]) =>
  context.scene(config, {
    lengths: batch.map(([, kv]) => kv),
    tokens: batch.reduce((sum, [query]) => sum + query, 0),
  })

/** Sequences that already hold everything: passes over them change nothing. */
function settledWork(scene: Scene, batch: readonly Lengths[]) {
  return batch.map(([queryLength, kv], i) => ({
    sequence: scene.add(kv, { label: 1 + i }),
    queryLength,
  }))
}

/** A sequence's rows of the output and LSE. */
function rowsOf({ work, layers }: PassResult, index: number, queryHeads: number, dim: number) {
  const { output, lse } = layers[0]!
  const first = firstTokens(work)[index]! * queryHeads
  const end = first + work[index]!.queryLength * queryHeads
  return { output: output.subarray(first * dim, end * dim), lse: lse?.subarray(first, end) }
}

function orderCases(capabilities: Capabilities, kind: CacheKind): BackendCase[] {
  const config = baseConfig(capabilities, kind)
  const batch = smallBatch(capabilities)
  const needs = { configs: [config], flags: batchFlags(batch) }
  const same = capabilities.batchInvariant === 'always'
  return [
    {
      group,
      name: `${group}: outputs keep the caller's order, whatever it is (${kind})`,
      needs,
      async run(context) {
        using scene = sceneFor(context, config, batch)
        const work = settledWork(scene, batch)
        const first = await doPass(scene, work, { appending: 'none' })
        const random = new Random(7)
        for (let round = 0; round < 4; round++) {
          const order = random.shuffle(work.map((_, i) => i))
          const other = await doPass(
            scene,
            order.map((i) => work[i]!),
            { appending: 'none' },
          )
          if (!same) continue
          const { queryHeads } = config
          const { valueHeadDim } = config.cache.shape
          for (const [at, i] of order.entries()) {
            const { output, lse } = rowsOf(other, at, queryHeads, valueHeadDim)
            const expected = rowsOf(first, i, queryHeads, valueHeadDim)
            expectSameBits(output, expected.output, `output of sequence ${i} in another order`)
            if (lse) expectSameBits(lse, expected.lse!, `LSE of sequence ${i} in another order`)
          }
        }
      },
    },
    {
      group,
      name: `${group}: the same pass twice gives the same bits (${kind})`,
      needs,
      async run(context) {
        using scene = sceneFor(context, config, batch)
        const work = settledWork(scene, batch)
        const first = await doPass(scene, work, { appending: 'none' })
        for (let round = 0; round < 3; round++) {
          const again = await doPass(scene, work, { appending: 'none', check: false })
          expectSameBits(again.layers[0]!.output, first.layers[0]!.output, 'output')
          if (first.layers[0]!.lse) {
            expectSameBits(again.layers[0]!.lse!, first.layers[0]!.lse, 'LSE')
          }
        }
      },
    },
    {
      group,
      name: `${group}: a prompt in chunks, to its last token, agrees with the reference (${kind})`,
      needs: {
        configs: [config],
        flags: batchFlags([
          [2, 2],
          [1, 1],
        ]),
      },
      async run(context) {
        using scene = sceneFor(context, config, [[150, 300]])
        const sequence = scene.add(0)
        for (const queryLength of [1, 2, 13, 16, 47, 64, 150, 6, 1]) {
          await doPass(scene, [{ sequence, queryLength }])
        }
        expect(sequence.length === 300, 'the chunks of the kit should add up')
      },
    },
  ]
}

/** A row's bits must not depend on its batch mates where that is claimed. */
function invarianceCases(capabilities: Capabilities, kind: CacheKind): BackendCase[] {
  // Long ones too: a split that follows the batch shows only where there is something to split.
  const long: readonly Lengths[] = [
    [1, 3000],
    [1, 1],
    [1, 700],
    [1, 129],
    [1, 1500],
  ]
  const asked = capabilities.batchInvariant === 'onRequest' ? { batchInvariant: true } : {}
  const claimed = capabilities.batchInvariant !== 'never'
  // Where nothing is claimed, ask: the reason why the case is skipped is then reported.
  const config = baseConfig(capabilities, kind, claimed ? asked : { batchInvariant: true })
  const small = smallBatch(capabilities)
  return (
    [
      ['short rows', small],
      ['long decode rows', long],
    ] as const
  ).map(([name, batch]) => ({
    group,
    name: `${group}: a row's bits do not depend on its batch mates, ${name} (${kind})`,
    needs: {
      configs: [config],
      flags: batchFlags(batch),
      longest: Math.max(...batch.map(([, kv]) => kv)),
    },
    async run(context) {
      using scene = sceneFor(context, config, batch)
      const work = settledWork(scene, batch)
      const together = await doPass(scene, work, { appending: 'none' })
      const { valueHeadDim } = config.cache.shape
      for (const [i, one] of work.entries()) {
        const alone = await doPass(scene, [one], { appending: 'none', check: false })
        const { output, lse } = rowsOf(together, i, config.queryHeads, valueHeadDim)
        expectSameBits(alone.layers[0]!.output, output, `output of sequence ${i} alone`)
        if (lse) expectSameBits(alone.layers[0]!.lse!, lse, `LSE of sequence ${i} alone`)
      }
    },
  }))
}

/** Logits that overflow a naive softmax, and some that differ by thousands. */
function logitCases(capabilities: Capabilities, kind: CacheKind): BackendCase[] {
  const contents: readonly (readonly [string, RowContent])[] = [
    [
      'all logits far below zero',
      (rowKind, seed, row) => {
        if (rowKind === 'value') fillSmall(seed, row)
        else row.fill(rowKind === 'query' ? 64 : -64)
      },
    ],
    [
      'all logits far above zero',
      (rowKind, seed, row) => {
        if (rowKind === 'value') fillSmall(seed, row)
        else row.fill(64)
      },
    ],
    [
      'the first key far above the others',
      (rowKind, seed, row, position) => {
        if (rowKind === 'value') fillSmall(seed, row)
        else row.fill(rowKind === 'query' || position === 0 ? 64 : -64)
      },
    ],
    [
      'each key far above the one before',
      (rowKind, seed, row, position) => {
        if (rowKind === 'value') fillSmall(seed, row)
        else row.fill(rowKind === 'query' ? 16 : (position - 70) / 8)
      },
    ],
  ]
  const batch = smallBatch(capabilities)
  return contents.map(([name, content]) => {
    const config = baseConfig(capabilities, kind)
    return {
      group,
      name: `${group}: ${name} (${kind})`,
      needs: { configs: [config], flags: batchFlags(batch) },
      async run(context) {
        using scene = context.scene(config, {
          lengths: batch.map(([, kv]) => kv),
          tokens: batch.reduce((sum, [query]) => sum + query, 0),
          content,
        })
        const work = batch.map(([queryLength, kv]) => ({
          sequence: scene.add(kv - queryLength),
          queryLength,
        }))
        await doPass(scene, work)
      },
    }
  })
}

/** Values of small integers: exact in every dtype. */
function fillSmall(seed: number, row: Float32Array): void {
  const random = new Random(seed)
  for (let i = 0; i < row.length; i++) row[i] = random.integer(9) - 4
}
