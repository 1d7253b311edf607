/**
 * Graphs: a plan for decoding is captured once and replayed for pass after pass, right after
 * `prepare`, whatever has become of the cache meanwhile.
 */
import type { Capabilities, PlanLimits } from '@vattention/interface'

import { codes, expectError, expectSameBits } from '../expect.ts'
import { baseConfig, type CacheKind, type ConfigOverrides } from './base-config.ts'
import { CapturedPlan } from './captured-plan.ts'
import type { BackendCase, BackendContext } from './context.ts'
import type { Scene, SceneOptions } from './scene.ts'
import type { Tracked } from './tracked.ts'

const group = 'graphs'

/** The batch that is captured, and its longest sequence; more sequences are live beside it. */
const graph: Graph = { sequences: 4, maxLength: 3000 }
const room: SceneOptions = { lengths: [3000, 3000, 3000, 3000, 3000, 3000], tokens: 16 }

type Graph = NonNullable<PlanLimits['graph']>

/** What a case plays with. */
interface Play {
  readonly context: BackendContext
  readonly scene: Scene
  readonly captured: CapturedPlan
}

/** Cases of graphs, over a cache of `kind`. */
export function graphCases(capabilities: Capabilities, kind: CacheKind): BackendCase[] {
  const make = (
    name: string,
    play: (play: Play) => Promise<unknown>,
    overrides: ConfigOverrides = {},
    options = room,
    captures = graph,
  ): BackendCase => {
    const config = baseConfig(capabilities, kind, { layers: 2, ...overrides })
    return {
      group,
      name: `${group}: ${name} (${kind})`,
      needs: {
        configs: [config],
        flags: ['decode'],
        longest: Math.max(...options.lengths),
        graphs: true,
      },
      async run(context) {
        using scene = context.scene(config, options)
        using captured = new CapturedPlan(scene, context.subject.graphs!, captures)
        await play({ context, scene, captured })
      },
    }
  }
  return [
    make('a captured plan gives what its sequences hold as they grow', ({ scene, captured }) => {
      const sequences = [1, 63, 128, 700].map((length) => scene.add(length))
      return captured.decode(sequences, 5)
    }),
    make('the batch may change with every replay, and be shorter', async ({ scene, captured }) => {
      const [a, b, c, d, e] = [5, 64, 200, 1000, 31].map((length) => scene.add(length)) as Five
      for (const batch of [[a, b, c, d], [d], [e, a], [c, b, e], [b, e, d, a], [a]]) {
        await captured.decode(batch, 1)
      }
    }),
    make('a batch of nothing gives zeros and an LSE of -Infinity', ({ scene, captured }) => {
      scene.add(40)
      return captured.decode([], 1)
    }),
    make('sequences without tokens are decoded beside others', async ({ scene, captured }) => {
      const [full, empty] = [scene.add(77), scene.add(20)]
      await captured.pass([
        { sequence: empty, queryLength: 1, kvLength: 0 },
        { sequence: full, queryLength: 1, kvLength: 78 },
      ])
    }),
    make('it replays right after the cache has grown', async ({ scene, captured }) => {
      const sequences = [40, 50, 60].map((length) => scene.add(length))
      await captured.decode(sequences, 1)
      for (const length of [300, 1400, 2990]) {
        scene.step(
          sequences,
          sequences.map(() => length),
        )
        for (const sequence of sequences) scene.write(sequence, length)
        await captured.decode(sequences, 1)
      }
    }),
    make('it replays after other sequences came and went', async ({ scene, captured }) => {
      const kept = scene.add(500)
      let others = [scene.add(900), scene.add(900)]
      await captured.decode([kept, ...others], 1)
      for (let round = 0; round < 4; round++) {
        for (const other of others) scene.free(other)
        others = [100 + round, 1300, 20].map((length) => scene.add(length))
        await captured.decode([kept, ...others], 2)
      }
    }),
    make('it replays over forks and truncated sequences', async ({ scene, captured }) => {
      const source = scene.add(300)
      const child = scene.fork(source, 257)
      await captured.decode([child, source], 2)
      scene.truncate(source, 130)
      await captured.decode([source, child], 2)
      for (const sequence of [source, child]) scene.expectContent(sequence, 'after decoding')
    }),
    make('NaN in other sequences and past every end changes nothing', ({ scene, captured }) => {
      const sequences = [90, 333].map((length) => scene.add(length, { backed: length + 90 }))
      for (const sequence of sequences) {
        scene.poison(sequence, sequence.length, sequence.length + 90)
      }
      const other = scene.allocate()
      scene.step([other], [700])
      scene.poison(other, 0, 700)
      return captured.decode(sequences, 3)
    }),
    make('a replay gives the bits that run gives', async ({ scene, captured }) => {
      const sequences = [17, 600, 2100].map((length) => scene.add(length))
      const replayed = await captured.decode(sequences, 1)
      const rerun = captured.runAgain()
      for (const [layer, { output }] of replayed.layers.entries()) {
        const { length } = output
        expectSameBits(rerun[layer]!.subarray(0, length), output, `output of layer ${layer}`)
      }
    }),
    make('batches that do not fit are refused, and it still replays', expectRefusals),
    make('plans for two lengths take turns', async ({ context, scene, captured }) => {
      const short = { sequences: 3, maxLength: 256 }
      using other = new CapturedPlan(scene, context.subject.graphs!, short)
      const sequences = [100, 180, 20].map((length) => scene.add(length))
      for (const plan of [captured, other, captured, other]) await plan.decode(sequences, 2)
    }),
    make('a window', ({ scene, captured }) => decodeSome(scene, captured), { window: 100 }),
    make('ALiBi', ({ scene, captured }) => decodeSome(scene, captured), {
      alibiSlopes: Float32Array.of(0.5, 0.25, 0.125, 0.0625).subarray(
        0,
        baseConfig(capabilities, kind).queryHeads,
      ),
    }),
    make(
      'many sequences',
      ({ scene, captured }) => {
        const lengths = Array.from({ length: 61 }, (_, i) => 1 + ((i * 37) % 500))
        return captured.decode(
          lengths.map((length) => scene.add(length)),
          2,
        )
      },
      { layers: 1, kvHeads: 1 },
      { lengths: Array<number>(64).fill(512), tokens: 64 },
      { sequences: 64, maxLength: 512 },
    ),
    limitsCase(capabilities, kind),
  ]
}

type Five = [Tracked, Tracked, Tracked, Tracked, Tracked]

function decodeSome(scene: Scene, captured: CapturedPlan) {
  return captured.decode(
    [1, 99, 800].map((length) => scene.add(length)),
    3,
  )
}

async function expectRefusals({ scene, captured }: Play): Promise<void> {
  const sequences = [10, 20, 30, 40, 50].map((length) => scene.add(length, { backed: length + 8 }))
  const [first, second, third] = sequences as Five
  await captured.decode([first, second, third], 1)
  const batch = (list: readonly Tracked[], queryLength: number, kvLength?: number) => ({
    cache: scene.cache,
    sequences: Uint32Array.from(list, ({ handle }) => handle),
    queryLengths: new Uint32Array(list.length).fill(queryLength),
    kvLengths: Uint32Array.from(list, ({ length }) => kvLength ?? length),
    stream: captured.stream,
  })
  const wrong = [
    ['more sequences than the graph has', batch(sequences, 1)],
    ['more than one new token', batch([first], 2)],
    ['a sequence longer than the graph allows', batch([first], 1, graph.maxLength + 1)],
    ['more than is backed', batch([first], 1, 500)],
  ] as const
  for (const [what, refused] of wrong) {
    await expectError(() => captured.plan.prepare(refused), codes.batch, what)
  }
  await captured.decode([third, first], 1)
}

function limitsCase(capabilities: Capabilities, kind: CacheKind): BackendCase {
  const config = baseConfig(capabilities, kind)
  return {
    group,
    name: `${group}: limits that hold no graph are refused with all reasons (${kind})`,
    needs: { configs: [config], flags: ['decode'], graphs: true },
    async run(context) {
      using scene = context.scene(config, { lengths: [64, 64], tokens: 2 })
      const wrong: readonly Graph[] = [
        { sequences: 3, maxLength: 64 },
        { sequences: 2, maxLength: 65 },
        { sequences: 0, maxLength: 64 },
        { sequences: 2, maxLength: 0.5 },
        {} as never,
      ]
      for (const refused of wrong) {
        const limits = { ...scene.limits, graph: refused }
        const create = () => scene.backend.createPlan(scene.config, limits)
        await expectError(create, codes.options, `graph ${JSON.stringify(refused)}`)
      }
    },
  }
}
