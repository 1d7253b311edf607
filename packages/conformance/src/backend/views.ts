/**
 * Views: every layout, block size and pool layout, sequences scattered over slots with holes and
 * over permuted blocks. All must give what the contiguous split layout gives.
 */
import type { Capabilities, Layout, PoolLayout } from '@vattention/interface'

import { expect, expectSameBits } from '../expect.ts'
import {
  baseConfig,
  declaredBlockTokens,
  declaredLayouts,
  layoutName,
  type CacheKind,
} from './base-config.ts'
import type { BackendCase, BackendContext } from './context.ts'
import type { DescribedConfig } from './needs.ts'
import { batchFlags, smallBatch, type Lengths } from './pass-case.ts'
import { doPass } from './pass.ts'
import type { PassResult } from './pass-result.ts'
import type { Scene } from './scene.ts'
import type { Tracked } from './tracked.ts'

const group = 'views'
const layers = 4
const firstLabel = 100

/** Cases of views, over a cache of `kind`. */
export function viewCases(capabilities: Capabilities, kind: CacheKind): BackendCase[] {
  const make = (
    name: string,
    view: { layout?: Layout; poolLayout?: PoolLayout; blockTokens?: number },
  ) => viewCase(capabilities, name, baseConfig(capabilities, kind, { layers, ...view }))
  if (kind === 'contiguous') {
    return declaredLayouts(capabilities).map((layout) =>
      make(`layout ${layoutName(layout)}, slots scattered`, { layout }),
    )
  }
  return (['nhd', 'paged-attention'] as const).flatMap((poolLayout) =>
    declaredBlockTokens(capabilities).map((blockTokens) =>
      make(`blocks of ${blockTokens}, pool ${poolLayout}, scattered`, { poolLayout, blockTokens }),
    ),
  )
}

function viewCase(capabilities: Capabilities, name: string, config: DescribedConfig): BackendCase {
  const batch = smallBatch(capabilities)
  const plain = baseConfig(capabilities, 'contiguous', { layers })
  return {
    group,
    name: `${group}: ${name} (${config.cache.kind})`,
    needs: { configs: [config], flags: batchFlags(batch) },
    async run(context) {
      const found = await scatteredPass(context, config, batch)
      const comparable =
        context.subject.sameKernel && context.unmet({ configs: [plain] }).length === 0
      if (!comparable) return
      const expected = await plainPass(context, plain, batch)
      for (const [i, { output, lse }] of found.layers.entries()) {
        const other = expected.layers[i]!
        expectSameBits(output, other.output, `layer ${i}: output against the plain view`)
        if (lse) expectSameBits(lse, other.lse!, `layer ${i}: LSE against the plain view`)
      }
    },
  }
}

const sceneOf = (context: BackendContext, config: DescribedConfig, lengths: readonly number[]) =>
  context.scene(config, { lengths, tokens: lengths.reduce((sum, length) => sum + length, 0) })

/** One sequence after the other, as they come. */
async function plainPass(
  context: BackendContext,
  config: DescribedConfig,
  batch: readonly Lengths[],
): Promise<PassResult> {
  using scene = sceneOf(context, config, lengthsOf(batch))
  const work = batch.map(([queryLength, kv], i) => ({
    sequence: scene.add(kv - queryLength, { label: firstLabel + i }),
    queryLength,
  }))
  return await doPass(scene, work)
}

/** The same tokens where other sequences came and went before. */
async function scatteredPass(
  context: BackendContext,
  config: DescribedConfig,
  batch: readonly Lengths[],
): Promise<PassResult> {
  const lengths = lengthsOf(batch)
  using scene = sceneOf(context, config, [...lengths, ...lengths])
  const sequences = scatter(scene, batch)
  const work = batch.map(([queryLength], i) => ({ sequence: sequences[i]!, queryLength }))
  const result = await doPass(scene, work)
  const places = sequences.map(({ handle }) => scene.rows.place(handle))
  expect(
    isScattered(scene, places),
    `the case did not get scattered sequences from this cache: ${JSON.stringify(places)}`,
  )
  return result
}

function lengthsOf(batch: readonly Lengths[]): number[] {
  return batch.map(([, kv]) => kv)
}

/**
 * Sequences that grow in turns, so that blocks interleave, in slots from which every other one has
 * been freed, given out in reverse order.
 */
function scatter(scene: Scene, batch: readonly Lengths[]): Tracked[] {
  const former = batch.flatMap(([, kv]) =>
    [scene.allocate(), scene.allocate()].map((s) => [s, kv] as const),
  )
  growInTurns(
    scene,
    former.map(([sequence]) => sequence),
    former.map(([, kv]) => Math.ceil(kv / 2)),
  )
  for (const [i, [sequence]] of former.entries()) {
    if (i % 2 === 0) scene.free(sequence)
  }
  const order = batch.map((_, i) => i).reverse()
  const sequences: Tracked[] = []
  for (const i of order) sequences[i] = scene.allocate(firstLabel + i)
  const past = batch.map(([query, kv]) => kv - query)
  growInTurns(scene, sequences, past)
  for (const [i, sequence] of sequences.entries()) scene.write(sequence, past[i]!)
  return sequences
}

function growInTurns(
  scene: Scene,
  sequences: readonly Tracked[],
  lengths: readonly number[],
): void {
  for (let length = 5; ; length += 11) {
    scene.step(
      sequences,
      lengths.map((goal) => Math.min(goal, length)),
    )
    if (lengths.every((goal) => goal <= length)) return
  }
}

/** Whether some slot comes before an earlier one, or some blocks are not neighbours. */
function isScattered(scene: Scene, places: readonly (readonly number[])[]): boolean {
  if (scene.cache.kind === 'contiguous') {
    return places.some(([slot], i) => i > 0 && slot! < places[i - 1]![0]!)
  }
  const width = Math.max(...places.map((blocks) => blocks.length))
  if (width === 1) return true // one block a sequence has no order of its own
  return places.some((blocks) =>
    blocks.some((id, i) => i > 0 && id >= 0 && id !== blocks[i - 1]! + 1),
  )
}
