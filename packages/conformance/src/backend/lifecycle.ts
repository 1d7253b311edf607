/** Lifecycle: promises, disposal in any order, plans side by side, workspaces that do not grow. */
import type { Capabilities } from '@vattention/interface'

import { codes, expect, expectEqual, expectError, expectSameBits } from '../expect.ts'
import { readValues } from '../memory.ts'
import { baseConfig, type CacheKind } from './base-config.ts'
import type { BackendCase } from './context.ts'
import { makeOperand } from './operand.ts'
import { batchFlags, smallBatch } from './pass-case.ts'
import { doPass, prepare } from './pass.ts'
import type { Scene } from './scene.ts'
import type { Tracked } from './tracked.ts'

const group = 'lifecycle'

/** Cases of lifecycle, over a cache of `kind`. */
export function lifecycleCases(capabilities: Capabilities, kind: CacheKind): BackendCase[] {
  const config = baseConfig(capabilities, kind, { layers: 2 })
  const batch = smallBatch(capabilities)
  const room = {
    lengths: batch.map(([, kv]) => kv + 8),
    tokens: batch.reduce((sum, [query]) => sum + query, 0),
  }
  const make = (name: string, run: BackendCase['run'], create = false): BackendCase => ({
    group,
    name: `${group}: ${name} (${kind})`,
    needs: { configs: [config], flags: batchFlags(batch), create },
    run,
  })
  return [
    make('runAsync gives the bits that run gives', async (context) => {
      using scene = context.scene(config, room)
      const work = batch.map(([queryLength, kv]) => ({ sequence: scene.add(kv), queryLength }))
      const sync = await doPass(scene, work, { appending: 'none' })
      const async = await doPass(scene, work, { appending: 'none', async: true })
      for (const [layer, { output }] of async.layers.entries()) {
        expectSameBits(output, sync.layers[layer]!.output, `output of layer ${layer}`)
      }
    }),
    make('a call while runAsync is under way is refused or right', async (context) => {
      using scene = context.scene(config, room)
      const sequence = scene.add(100)
      prepare(scene, [{ sequence, queryLength: 1, kvLength: 100 }])
      const [first, second] = [
        decodeOperands(scene, sequence, 0),
        decodeOperands(scene, sequence, 1),
      ]
      const pending = scene.plan.runAsync(first.args)
      let refused: unknown
      try {
        scene.plan.run(second.args)
      } catch (error) {
        refused = error
      }
      await pending
      expect(first.isWritten(), 'runAsync: output was not written')
      if (refused === undefined) expect(second.isWritten(), 'run: output was not written')
      else expectEqual((refused as { code?: string }).code, codes.busy, 'code of the refusal')
      scene.plan.run(second.args)
      expect(second.isWritten(), 'run afterwards: output was not written')
    }),
    make('prepare and run do not change how much memory a plan holds', async (context) => {
      using scene = context.scene(config, room)
      const bytes = scene.plan.workspaceBytes
      expect(Number.isSafeInteger(bytes) && bytes >= 0, `workspaceBytes is ${bytes}`)
      for (let round = 0; round < 3; round++) {
        const work = batch.map(([queryLength, kv]) => ({
          sequence: scene.add(kv - queryLength),
          queryLength,
        }))
        await doPass(scene, work)
        expectEqual(scene.plan.workspaceBytes, bytes, `workspaceBytes after pass ${round}`)
        for (const { sequence } of work) scene.free(sequence)
      }
    }),
    make('two plans over one cache do not disturb each other', async (context) => {
      using scene = context.scene(config, room)
      using other = scene.backend.createPlan(scene.config, scene.limits)
      const sequence = scene.add(100)
      const decode = { sequence, queryLength: 1, kvLength: 100 }
      const expected = await doPass(scene, [decode], { appending: 'none' })
      prepare(scene, [decode])
      other.prepare({
        cache: scene.cache,
        sequences: Uint32Array.of(sequence.handle),
        queryLengths: Uint32Array.of(1),
        kvLengths: Uint32Array.of(7),
      })
      const operands = decodeOperands(scene, sequence, 0)
      scene.plan.run(operands.args)
      expectSameBits(operands.read(), expected.layers[0]!.output, 'output of the first plan')
    }),
    make('other sequences come and go between prepare and run', async (context) => {
      using scene = context.scene(config, { ...room, lengths: [...room.lengths, 138, 138] })
      const sequence = scene.add(100)
      const other = scene.add(90)
      const decode = { sequence, queryLength: 1, kvLength: 100 }
      const expected = await doPass(scene, [decode], { appending: 'none' })
      prepare(scene, [decode])
      scene.free(other)
      const next = scene.add(120)
      scene.step([next], [130])
      const operands = decodeOperands(scene, sequence, 0)
      scene.plan.run(operands.args)
      expectSameBits(operands.read(), expected.layers[0]!.output, 'output')
    }),
    make('layers may run in any order', async (context) => {
      using scene = context.scene(config, room)
      const work = batch.map(([queryLength, kv]) => ({
        sequence: scene.add(kv - queryLength),
        queryLength,
      }))
      await doPass(scene, work, { layers: [1, 0] })
    }),
    make('a plan serves another cache of the same shape', async (context) => {
      using scene = context.scene(config, room)
      using second = context.scene(config, room)
      const [one, two] = [scene.add(60, { label: 5 }), second.add(60, { label: 5 })]
      const expected = await doPass(scene, [{ sequence: one, queryLength: 1 }], {
        appending: 'none',
      })
      const operands = decodeOperands(second, two, 0)
      scene.plan.prepare({
        cache: second.cache,
        sequences: Uint32Array.of(two.handle),
        queryLengths: Uint32Array.of(1),
        kvLengths: Uint32Array.of(60),
      })
      scene.plan.run(operands.args)
      expectSameBits(operands.read(), expected.layers[0]!.output, 'output over the other cache')
    }),
    make('a disposed plan refuses every call, and may be disposed again', async (context) => {
      using scene = context.scene(config, room)
      const sequence = scene.add(20)
      const work = [{ sequence, queryLength: 1, kvLength: 20 }]
      prepare(scene, work)
      const { args, isWritten } = decodeOperands(scene, sequence, 0)
      const { plan } = scene
      plan[Symbol.dispose]()
      plan[Symbol.dispose]()
      await expectError(() => prepare(scene, work), codes.disposed, 'prepare')
      await expectError(() => plan.run(args), codes.disposed, 'run')
      await expectError(() => plan.runAsync(args), codes.disposed, 'runAsync')
      expect(!isWritten(), 'a disposed plan wrote its output')
    }),
    make('a disposed cache is refused by prepare', async (context) => {
      using scene = context.scene(config, room)
      const sequence = scene.add(20)
      scene.cache[Symbol.dispose]()
      scene.cache[Symbol.dispose]()
      const decode = [{ sequence, queryLength: 1, kvLength: 20 }]
      await expectError(() => prepare(scene, decode), codes.disposed, 'prepare')
    }),
    make(
      'a disposed backend makes no plans, and may be disposed again',
      async (context) => {
        using scene = context.scene(config, room)
        const backend = context.subject.create!()
        backend[Symbol.dispose]()
        backend[Symbol.dispose]()
        const create = () => backend.createPlan(scene.config, scene.limits)
        await expectError(create, codes.disposed, 'createPlan')
      },
      true,
    ),
    make(
      'plans, caches and backends can be disposed in any order',
      async (context) => {
        for (const order of ['plan cache backend', 'cache plan backend', 'backend cache plan']) {
          using scene = context.scene(config, room)
          const backend = context.subject.create!()
          const plan = backend.createPlan(scene.config, scene.limits)
          const owners = { plan, backend, cache: scene.cache }
          for (const name of order.split(' ') as (keyof typeof owners)[]) {
            owners[name][Symbol.dispose]()
          }
        }
      },
      true,
    ),
  ]
}

/** Tensors for one decode row of one sequence. */
function decodeOperands(scene: Scene, sequence: Tracked, layer: number) {
  const { memory, config } = scene
  const { headDim, valueHeadDim } = scene.cache.shape
  const { dtype, queryHeads } = config
  const rows = scene.makeRows(sequence, 'query', layer, sequence.length - 1, 1)
  const query = makeOperand(memory, 'dense', dtype, [1, queryHeads, headDim], rows)
  const output = makeOperand(memory, 'dense', dtype, [1, queryHeads, valueHeadDim])
  const read = () => readValues(memory, output.tensor)
  return {
    args: { layer, query: query.tensor, output: output.tensor },
    read,
    isWritten: () => read().every(Number.isFinite),
  }
}
