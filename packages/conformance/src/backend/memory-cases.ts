/**
 * Memory: NaN wherever a backend has no business, appended rows exact and nothing else written,
 * gaps between rows, offsets beyond 32 bits, a cache used to its last row.
 */
import { dtypeBytes, type Capabilities, type Tensor } from '@vattention/interface'

import { SkipCase } from '../case.ts'
import { smallestPage } from '../cache/context.ts'
import { codes, expect, expectSameBits } from '../expect.ts'
import { readValues } from '../memory.ts'
import { baseConfig, declaredDtypes, type CacheKind } from './base-config.ts'
import type { BackendCase } from './context.ts'
import { batchFlags, passCase, smallBatch, type Lengths } from './pass-case.ts'
import { makeOperand } from './operand.ts'
import { doPass, prepare } from './pass.ts'
import type { Appending } from './pass-result.ts'
import type { Scene, SceneOptions } from './scene.ts'
import { Snapshot } from './snapshot.ts'

const group = 'memory'

/** Rows backed and poisoned past each sequence's end. */
const poisonedTail = 90

/** Cases of memory, over a cache of `kind`. */
export function memoryCases(capabilities: Capabilities, kind: CacheKind): BackendCase[] {
  return [
    ...poisonCases(capabilities, kind),
    ...appendCases(capabilities, kind),
    ...placementCases(capabilities, kind),
    ...extentCases(capabilities, kind),
  ]
}

/** A scene for a batch twice over: for the sequences, and for others around them. */
function roomFor(batch: readonly Lengths[], extra = 0): SceneOptions {
  const lengths = batch.map(([, kv]) => kv + extra)
  return {
    lengths: [...lengths, ...lengths],
    tokens: batch.reduce((sum, [query]) => sum + query, 0),
  }
}

/** The batch's sequences, with others full of NaN between them and NaN past every end. */
function poisonedWork(scene: Scene, batch: readonly Lengths[]) {
  return batch.map(([queryLength, kv]) => {
    const sequence = scene.add(kv - queryLength, { backed: kv + poisonedTail })
    scene.poison(sequence, kv - queryLength, kv + poisonedTail)
    const other = scene.allocate()
    scene.step([other], [kv])
    scene.poison(other, 0, kv)
    return { sequence, queryLength }
  })
}

function poisonCases(capabilities: Capabilities, kind: CacheKind): BackendCase[] {
  const batch = smallBatch(capabilities)
  const configs = [
    ['', baseConfig(capabilities, kind)],
    [' with a window', baseConfig(capabilities, kind, { window: 19 })],
    [' without a mask', baseConfig(capabilities, kind, { causal: false })],
  ] as const
  const flags = batchFlags(batch)
  return [
    ...configs.map(([name, config]): BackendCase => ({
      group,
      name: `${group}: NaN in other sequences and past every end changes nothing${name} (${kind})`,
      needs: { configs: [config], flags },
      async run(context) {
        using scene = context.scene(config, roomFor(batch, poisonedTail))
        await doPass(scene, poisonedWork(scene, batch))
      },
    })),
    {
      group,
      name: `${group}: NaN in memory that was freed and is used again changes nothing (${kind})`,
      needs: { configs: [configs[0][1]], flags },
      async run(context) {
        const config = configs[0][1]
        using scene = context.scene(config, roomFor(batch, poisonedTail))
        for (let round = 0; round < 3; round++) {
          const former = batch
            .flatMap(([, kv]) => [kv + poisonedTail, kv])
            .map((length) => {
              const sequence = scene.allocate()
              scene.step([sequence], [length])
              scene.poison(sequence, 0, length)
              return sequence
            })
          for (const sequence of former) scene.free(sequence)
          const work = batch.map(([queryLength, kv]) => ({
            sequence: scene.add(kv - queryLength),
            queryLength,
          }))
          await doPass(scene, work)
          for (const { sequence } of work) scene.free(sequence)
        }
      },
    },
    {
      group,
      name: `${group}: NaN in tokens that were truncated changes nothing (${kind})`,
      needs: { configs: [configs[0][1]], flags },
      async run(context) {
        using scene = context.scene(configs[0][1], roomFor(batch, poisonedTail))
        const work = batch.map(([queryLength, kv]) => {
          const sequence = scene.add(kv - queryLength, { backed: kv + poisonedTail })
          scene.poison(sequence, kv - queryLength, kv + poisonedTail)
          scene.truncate(sequence, kv - queryLength)
          return { sequence, queryLength }
        })
        await doPass(scene, work)
      },
    },
  ]
}

function appendCases(capabilities: Capabilities, kind: CacheKind): BackendCase[] {
  const batch = smallBatch(capabilities)
  const ways: readonly (readonly [Appending, string])[] = [
    ['run', 'run appends rows bit-exact and writes nothing else'],
    ['append', 'append writes rows bit-exact and nothing else, and run without keys reads them'],
    ['written', 'rows that the caller wrote are read, and nothing is written'],
  ]
  const dtypes = declaredDtypes(capabilities)
  return ways.flatMap(([appending, name]) =>
    dtypes.map(([dtype, kvDtype]): BackendCase => {
      const config = baseConfig(capabilities, kind, { dtype, kvDtype, layers: 2 })
      return {
        group,
        name: `${group}: ${name}, ${dtype} into ${kvDtype} (${kind})`,
        needs: { configs: [config], flags: batchFlags(batch, appending) },
        async run(context) {
          using scene = context.scene(config, roomFor(batch, poisonedTail))
          const work = poisonedWork(scene, batch)
          const before = new Snapshot(scene)
          await doPass(scene, work, { appending })
          const written = work.map(({ sequence, queryLength }) => ({
            sequence,
            from: sequence.length - queryLength,
            to: sequence.length,
          }))
          before.expectUnchanged('after the pass', written)
          for (const { sequence } of work) scene.expectContent(sequence, 'after the pass')
        },
      }
    }),
  )
}

function placementCases(capabilities: Capabilities, kind: CacheKind): BackendCase[] {
  const config = baseConfig(capabilities, kind)
  const batch = smallBatch(capabilities)
  const appending = capabilities.append ? 'run' : 'written'
  return [
    passCase({
      group,
      name: 'rows of wider buffers: gaps are neither read nor written',
      config,
      batch,
      pass: { placement: 'rows', appending },
    }),
    passCase({
      group,
      name: 'gaps between heads are neither read nor written',
      config,
      batch,
      pass: { placement: 'spread', appending },
    }),
    passCase({
      group,
      name: 'sequences without queries and without keys',
      config,
      batch: [
        [0, 40],
        [1, 20],
        [0, 0],
        [1, 1],
        [0, 0],
      ],
      pass: { placement: 'rows', appending },
    }),
    passCase({
      group,
      name: 'queries of an empty sequence give zeros and an LSE of -Infinity',
      config,
      batch: [
        [1, 20],
        [1, 0],
        [1, 33],
        [1, 0],
      ],
      pass: { appending },
    }),
    passCase({
      group,
      name: 'a batch of only empty sequences',
      config,
      batch: [
        [1, 0],
        [1, 0],
      ],
    }),
    passCase({ group, name: 'a batch of nothing', config, batch: [], scene: { lengths: [1] } }),
    {
      group,
      name: `${group}: a stride of 0 repeats a row (${kind})`,
      needs: { configs: [config], flags: ['prefill'] },
      run(context) {
        using scene = context.scene(config, { lengths: [40], tokens: 5 })
        expectRepeatedRow(scene)
      },
    },
    {
      group,
      name: `${group}: an empty sequence's rows are not appended (${kind})`,
      needs: { configs: [config], flags: batchFlags([[1, 1]], 'run') },
      async run(context) {
        using scene = context.scene(config, { lengths: [40, 40], tokens: 2 })
        const full = scene.add(30)
        const empty = scene.add(10)
        const before = new Snapshot(scene)
        await doPass(scene, [
          { sequence: empty, queryLength: 1, kvLength: 0 },
          { sequence: full, queryLength: 1 },
        ])
        before.expectUnchanged('after the pass', [{ sequence: full, from: 30, to: 31 }])
      },
    },
  ]
}

/** Five queries that are one row in memory, against five copies of it. */
function expectRepeatedRow(scene: Scene): void {
  const { memory, config } = scene
  const { headDim, valueHeadDim } = scene.cache.shape
  const { dtype, queryHeads } = config
  const sequence = scene.add(40)
  prepare(scene, [{ sequence, queryLength: 5, kvLength: 40 }])
  const row = scene.makeRows(sequence, 'query', 0, 0, 1)
  const copies = Float32Array.from({ length: 5 * row.length }, (_, i) => row[i % row.length]!)
  const one = makeOperand(memory, 'dense', dtype, [1, queryHeads, headDim], row)
  const five = makeOperand(memory, 'dense', dtype, [5, queryHeads, headDim], copies)
  const repeated: Tensor = {
    ...one.tensor,
    shape: [5, queryHeads, headDim],
    strides: [0, headDim, 1],
  }
  const [found, expected] = [repeated, five.tensor].map((query) => {
    const output = makeOperand(memory, 'dense', dtype, [5, queryHeads, valueHeadDim])
    scene.plan.run({ layer: 0, query, output: output.tensor })
    return readValues(memory, output.tensor)
  })
  expectSameBits(found!, expected!, 'output of a repeated row')
  one.expectGapsUntouched()
  five.expectGapsUntouched()
}

function extentCases(capabilities: Capabilities, kind: CacheKind): BackendCase[] {
  const config = baseConfig(capabilities, kind)
  const { blockTokens = 64 } = config.cache
  const full = 4 * blockTokens
  const cases: BackendCase[] = [
    {
      group,
      name: `${group}: a sequence fills the cache's longest length, and one token more is refused (${kind})`,
      needs: { configs: [config], flags: ['decode'], longest: full },
      async run(context) {
        using scene = context.scene(config, { lengths: [full], tokens: 2 })
        const sequence = scene.add(full - 1)
        await doPass(scene, [{ sequence, queryLength: 1 }])
        let code: unknown
        try {
          scene.plan.prepare({
            cache: scene.cache,
            sequences: Uint32Array.of(sequence.handle),
            queryLengths: Uint32Array.of(1),
            kvLengths: Uint32Array.of(full + 1),
          })
        } catch (error) {
          code = (error as { code?: unknown }).code
        }
        expect(
          code === codes.batch,
          `one token past the end: expected ${codes.batch}, found ${code}`,
        )
      },
    },
  ]
  if (kind === 'contiguous') {
    cases.push(farOffsetCase(capabilities), ...pageEndCases(capabilities))
  }
  return cases
}

/**
 * Sequences that end where their pages end, with no page mapped after them: touching one row more
 * than the backend's `tailRows` is a fault that ends the process.
 */
function pageEndCases(capabilities: Capabilities): BackendCase[] {
  const config = baseConfig(capabilities, 'contiguous', { layout: 'split' })
  const { kvHeads, headDim, dtype } = config.cache.shape
  const page = smallestPage({ type: capabilities.deviceType })
  const tokens = Math.floor(page / (kvHeads * headDim * dtypeBytes[dtype]))
  const batches: readonly (readonly [string, readonly Lengths[]])[] = [
    ['decoding', [1, 2, 3, 4].map((pages) => [1, pages * tokens])],
    ['chunks', [1, 2, 3, 4].map((pages) => [9, pages * tokens])],
  ]
  return batches.map(([name, batch]) =>
    passCase({
      group,
      name: `nothing is read past the last page, ${name}`,
      config,
      batch,
      pass: { appending: capabilities.append ? 'run' : 'written' },
      scene: { contiguous: { mapAhead: false, pageBytes: [page] } },
    }),
  )
}

/** Slots so long that the last one begins more than 2^31 elements after the first. */
function farOffsetCase(capabilities: Capabilities): BackendCase {
  const config = baseConfig(capabilities, 'contiguous', { kvHeads: 8 })
  const { headDim } = config.cache.shape
  const maxLength = Math.min(131072, capabilities.maxLength)
  const slots = Math.ceil((2 ** 31 * 1.1) / (maxLength * 8 * headDim)) + 1
  return {
    group,
    name: `${group}: slots more than 2^31 elements apart (contiguous)`,
    needs: { configs: [config], flags: ['decode'] },
    async run(context) {
      using scene = sceneOrSkip(() =>
        context.scene(config, {
          lengths: [100],
          tokens: 2,
          maxLength,
          sequences: slots,
          contiguous: { mapAhead: false },
        }),
      )
      const all = Array.from({ length: slots }, () => scene.allocate())
      const bySlot = all.sort(
        (a, b) => scene.rows.place(a.handle)[0]! - scene.rows.place(b.handle)[0]!,
      )
      const ends = [bySlot[0]!, bySlot.at(-1)!]
      scene.step(ends, [100, 100])
      for (const sequence of ends) scene.write(sequence, 99)
      await doPass(
        scene,
        ends.map((sequence) => ({ sequence, queryLength: 1 })),
      )
      for (const sequence of ends) scene.expectContent(sequence, 'after the pass')
    },
  }
}

function sceneOrSkip(make: () => Scene): Scene {
  try {
    return make()
  } catch (error) {
    if ((error as { code?: unknown }).code !== codes.outOfMemory) throw error
    throw new SkipCase(`the cache cannot reserve slots so large: ${(error as Error).message}`)
  }
}
