/**
 * Refusals: everything wrong that can be given to a backend gets the documented error with all
 * reasons, and nothing is written.
 */
import type {
  AttentionBatch,
  Capabilities,
  Reason,
  RunArguments,
  Sequence,
  Tensor,
} from '@vattention/interface'

import { SkipCase } from '../case.ts'
import { codes, expect, expectEqual, expectError } from '../expect.ts'
import { readValues } from '../memory.ts'
import { baseConfig, type CacheKind } from './base-config.ts'
import type { BackendCase } from './context.ts'
import type { DescribedConfig } from './needs.ts'
import { makeOperand, type Operand } from './operand.ts'
import type { Scene } from './scene.ts'
import { Snapshot } from './snapshot.ts'
import type { Tracked } from './tracked.ts'

const group = 'refusals'
const queryLength = 1
const past = 20

/** Cases of wrong input, over a cache of `kind`. */
export function refusalCases(capabilities: Capabilities, kind: CacheKind): BackendCase[] {
  const config = baseConfig(capabilities, kind)
  const make = (
    name: string,
    run: BackendCase['run'],
    needs: Partial<BackendCase['needs']> = {},
  ): BackendCase => ({
    group,
    name: `${group}: ${name} (${kind})`,
    needs: { configs: [config], flags: ['decode'], ...needs },
    run,
  })
  return [
    make('every reason against a configuration is listed, and no plan is made', async (context) => {
      const { backend } = context.subject
      using scene = context.scene(config, { lengths: [32], tokens: 1 })
      const wrong = wrongConfigs(config, capabilities)
      for (const { what, config: refused, expected } of wrong) {
        const reasons = backend.validate(refused)
        expectReasons(reasons, expected, what)
        const limits = { maxSequences: 1, maxTokens: 1, maxLength: 32 }
        const error = await expectError(
          () => backend.createPlan(refused, limits)[Symbol.dispose](),
          codes.unsupported,
          what,
        )
        expectReasons((error as { reasons?: readonly Reason[] }).reasons ?? [], expected, what)
      }
      expectEqual(backend.validate(scene.config).length, 0, 'reasons against a valid configuration')
    }),
    make('wrong tensors are refused with every reason, and nothing is written', async (context) => {
      using scene = context.scene(config, { lengths: [64, 64], tokens: 2 })
      await expectTensorRefusals(scene, capabilities)
    }),
    make('wrong batches are refused, and the plan still works', async (context) => {
      using scene = context.scene(config, { lengths: [64, 64], tokens: 2, maxLength: 64 })
      await expectBatchRefusals(scene)
    }),
    make('run and append before prepare are refused', async (context) => {
      using scene = context.scene(config, { lengths: [64], tokens: 2 })
      scene.add(past + queryLength)
      const { good, operands } = goodArguments(scene)
      await expectError(() => scene.plan.run(good), codes.notPrepared, 'run')
      await expectError(() => scene.plan.runAsync(good), codes.notPrepared, 'runAsync')
      if (capabilities.append) {
        const { layer, key, value } = good
        const append = () => scene.plan.append({ layer, key: key!, value: value! })
        await expectError(append, codes.notPrepared, 'append')
      }
      expectUntouched(operands, 'before prepare')
    }),
    make(
      'a plan of a slid sequence needs a window',
      async (context) => {
        if (kind === 'contiguous' && !context.subject.backend.native) {
          throw new SkipCase('only the C table says where a contiguous sequence has slid to')
        }
        using scene = context.scene(config, {
          lengths: [2000],
          tokens: 1,
          contiguous: { leadRows: 0 },
        })
        const sequence = scene.add(1999)
        scene.slide(sequence, 1900)
        await expectError(
          () => scene.plan.prepare(batchOf(scene, [sequence], [1], [1999])),
          codes.batch,
          'a slid sequence without a window',
        )
      },
      { configs: [config, baseConfig(capabilities, kind, { window: 64 })], longest: 2000 },
    ),
  ]
}

function batchOf(
  scene: Scene,
  sequences: readonly Tracked[],
  queryLengths: readonly number[],
  kvLengths: readonly number[],
): AttentionBatch {
  return {
    cache: scene.cache,
    sequences: Uint32Array.from(sequences, ({ handle }) => handle),
    queryLengths: Uint32Array.from(queryLengths),
    kvLengths: Uint32Array.from(kvLengths),
  }
}

/** Configurations that break one or several rules, and the codes of the reasons expected. */
function wrongConfigs(config: DescribedConfig, capabilities: Capabilities) {
  const { shape } = config.cache
  const withShape = (change: Partial<typeof shape>): DescribedConfig => ({
    ...config,
    cache: { ...config.cache, shape: { ...shape, ...change } },
  })
  const wrong: { what: string; config: DescribedConfig; expected: string[] }[] = [
    {
      what: '16 query heads over 5',
      config: { ...withShape({ kvHeads: 5 }), queryHeads: 16 },
      expected: ['queryHeads'],
    },
    {
      what: 'head dims of 7 and 9, integers, no window',
      config: { ...withShape({ headDim: 7, valueHeadDim: 9 }), dtype: 'int32', window: 0 },
      expected: ['headDim', 'dtype', 'window'].filter(
        (code) => code !== 'headDim' || capabilities.headDims !== 'any',
      ),
    },
    {
      what: 'a scale, a cap and slopes that make no sense',
      config: { ...config, scale: NaN, softCap: -1, alibiSlopes: new Float32Array(1) },
      expected: ['scale', 'softCap', ...(config.queryHeads === 1 ? [] : ['alibiSlopes'])],
    },
    {
      what: 'a cache of integers',
      config: withShape({ dtype: 'int32' }),
      expected: ['kvDtype'],
    },
  ]
  const undeclared: Partial<DescribedConfig> & { window?: number } = {
    ...(!capabilities.slidingWindow && { window: 8 }),
    ...(!capabilities.softCap && { softCap: 30 }),
    ...(!capabilities.alibi && { alibiSlopes: new Float32Array(config.queryHeads) }),
    ...(!capabilities.sinks && { sinks: new Float32Array(config.queryHeads) }),
    ...(!capabilities.nonCausal && { causal: false }),
    ...(!capabilities.lse && { needsLse: true }),
  }
  const featureCodes: Readonly<Record<string, string>> = {
    alibiSlopes: 'alibi',
    causal: 'nonCausal',
    needsLse: 'lse',
  }
  if (Object.keys(undeclared).length > 0) {
    wrong.push({
      what: `what is not declared: ${Object.keys(undeclared).join(', ')}`,
      config: { ...config, ...undeclared },
      expected: Object.keys(undeclared).map((name) => featureCodes[name] ?? name),
    })
  }
  return wrong
}

function expectReasons(
  reasons: readonly Reason[],
  expected: readonly string[],
  what: string,
): void {
  const found = reasons.map(({ code }) => code)
  for (const code of expected) {
    expect(found.includes(code), `${what}: expected a reason ${code}, found ${found.join(', ')}`)
  }
  for (const { code, message, expected: wanted, found: received } of reasons) {
    const told = [message, wanted, received].every(
      (text) => typeof text === 'string' && text !== '',
    )
    expect(told, `${what}: reason ${code} says not what was expected and found`)
  }
}

/** Arguments of `run` that are right, and the operands behind them. */
function goodArguments(scene: Scene) {
  const { memory, config } = scene
  const { kvHeads, headDim, valueHeadDim } = scene.cache.shape
  const { dtype, queryHeads } = config
  const zeros = (heads: number, dim: number) => new Float32Array(queryLength * heads * dim)
  const operand = (heads: number, dim: number, filled: boolean) =>
    makeOperand(
      memory,
      'dense',
      dtype,
      [queryLength, heads, dim],
      filled ? zeros(heads, dim) : undefined,
    )
  const query = operand(queryHeads, headDim, true)
  const key = operand(kvHeads, headDim, true)
  const value = operand(kvHeads, valueHeadDim, true)
  const output = operand(queryHeads, valueHeadDim, false)
  const lse = makeOperand(memory, 'dense', 'float32', [queryLength, queryHeads])
  const { append } = scene.backend.capabilities
  const good: RunArguments = {
    layer: 0,
    query: query.tensor,
    ...(append && { key: key.tensor, value: value.tensor }),
    output: output.tensor,
    ...(config.needsLse && { lse: lse.tensor }),
  }
  return { good, operands: { query, key, value, output, lse } }
}

function expectUntouched({ output, lse }: { output: Operand; lse: Operand }, what: string): void {
  for (const [name, operand] of Object.entries({ output, lse })) {
    const untouched = readValues(operand.memory, operand.tensor).every(Number.isNaN)
    expect(untouched, `${what}: ${name} was written`)
  }
}

async function expectTensorRefusals(scene: Scene, capabilities: Capabilities): Promise<void> {
  const { memory, config, plan } = scene
  const sequence = scene.add(past, { backed: 64 })
  scene.plan.prepare(batchOf(scene, [sequence], [queryLength], [past + queryLength]))
  const { good, operands } = goodArguments(scene)
  const before = new Snapshot(scene)
  const otherDtype = config.dtype === 'float32' ? 'bfloat16' : 'float32'
  const changed = (tensor: Tensor, change: Partial<Tensor>): Tensor => ({ ...tensor, ...change })
  const shape = (tensor: Tensor, axis: number, by: number) =>
    tensor.shape.map((size, i) => (i === axis ? size + by : size))
  const { query, output, lse } = good
  const elsewhere = query.device.type === 'cpu' ? { type: 'cuda', index: 0 } : { type: 'cpu' }
  const wrong: [what: string, args: RunArguments, reasons: number][] = [
    ['a layer past the last', { ...good, layer: scene.layers }, 1],
    ['a negative layer', { ...good, layer: -1 }, 1],
    ['a layer that is no integer', { ...good, layer: 0.5 }, 1],
    [
      'a query with a row more',
      { ...good, query: changed(query, { shape: shape(query, 0, 1) }) },
      1,
    ],
    [
      'a query of fewer heads',
      { ...good, query: changed(query, { shape: shape(query, 1, -1) }) },
      1,
    ],
    [
      'a query of another dim',
      { ...good, query: changed(query, { shape: shape(query, 2, 8) }) },
      1,
    ],
    [
      'a query of rank 2',
      {
        ...good,
        query: changed(query, { shape: query.shape.slice(1), strides: query.strides.slice(1) }),
      },
      1,
    ],
    ['a query of another dtype', { ...good, query: changed(query, { dtype: otherDtype }) }, 1],
    [
      'a query whose last stride is 2',
      { ...good, query: changed(query, { strides: [...query.strides.slice(0, 2), 2] }) },
      1,
    ],
    [
      'a query with a negative stride',
      { ...good, query: changed(query, { strides: [-1, ...query.strides.slice(1)] }) },
      1,
    ],
    [
      'a query on another device',
      { ...good, query: changed(query, { device: elsewhere as Tensor['device'] }) },
      1,
    ],
    ['a query at no address', { ...good, query: changed(query, { data: 0n }) }, 1],
    ['no query', { ...good, query: undefined as unknown as Tensor }, 1],
    ['no output', { ...good, output: undefined as unknown as Tensor }, 1],
    ['an output of another dtype', { ...good, output: changed(output, { dtype: otherDtype }) }, 1],
    [
      'an output with a row less',
      { ...good, output: changed(output, { shape: shape(output, 0, -1) }) },
      1,
    ],
    [
      'a layer, a query and an output that are all wrong',
      {
        ...good,
        layer: 99,
        query: changed(query, { shape: shape(query, 2, 8), dtype: otherDtype }),
        output: changed(output, { strides: [...output.strides.slice(0, 2), 3] }),
      },
      4,
    ],
  ]
  if (lse) {
    wrong.push(
      ['an LSE of another dtype', { ...good, lse: changed(lse, { dtype: 'int32' }) }, 1],
      ['an LSE of another shape', { ...good, lse: changed(lse, { shape: shape(lse, 1, 1) }) }, 1],
    )
  }
  const { key, value, ...neither } = good
  if (capabilities.append && key && value) {
    wrong.push(
      ['a key without a value', { ...neither, key }, 1],
      ['a value without a key', { ...neither, value }, 1],
      ['a key with a row more', { ...good, key: changed(key, { shape: shape(key, 0, 1) }) }, 1],
      ['a value of another dtype', { ...good, value: changed(value, { dtype: otherDtype }) }, 1],
      ['a key of more heads', { ...good, key: changed(key, { shape: shape(key, 1, 1) }) }, 1],
    )
  }
  for (const [what, args, count] of wrong) {
    for (const call of [() => plan.run(args), () => plan.runAsync(args)]) {
      const error = await expectError(call, codes.tensor, what)
      const { reasons = [] } = error as { reasons?: readonly Reason[] }
      expect(reasons.length >= count, `${what}: expected ${count} reasons, found ${reasons.length}`)
    }
    expectUntouched(operands, what)
  }
  if (capabilities.append && key && value) {
    const append = (args: Partial<{ layer: number; key: Tensor; value: Tensor }>) => () =>
      plan.append({ layer: 0, key, value, ...args })
    await expectError(append({ layer: 1 }), codes.tensor, 'append to a layer past the last')
    await expectError(append({ key: changed(key, { dtype: 'int32' }) }), codes.tensor, 'append')
    await expectError(append({ value: undefined as unknown as Tensor }), codes.tensor, 'append')
  }
  before.expectUnchanged('after wrong tensors')
  plan.run(good)
  const written = readValues(memory, output).every(Number.isFinite)
  expect(written, 'run after refusals: output was not written')
}

async function expectBatchRefusals(scene: Scene): Promise<void> {
  const { plan, cache } = scene
  const first = scene.add(past, { backed: past + 1 })
  const second = scene.add(past, { backed: past + 1 })
  const before = new Snapshot(scene)
  const good = batchOf(scene, [first, second], [1, 1], [past + 1, past + 1])
  const lengths = (...values: number[]) => Uint32Array.from(values)
  const wrong: [what: string, batch: AttentionBatch][] = [
    ['fewer query lengths than sequences', { ...good, queryLengths: lengths(1) }],
    ['more KV lengths than sequences', { ...good, kvLengths: lengths(21, 21, 21) }],
    ['arrays that are no Uint32Array', { ...good, kvLengths: [21, 21] as unknown as Uint32Array }],
    [
      'a KV length below the query length',
      { ...good, queryLengths: lengths(2, 0), kvLengths: lengths(1, 5) },
    ],
    ['a KV length beyond what is backed', { ...good, kvLengths: lengths(past + 1, past + 2) }],
    ['a KV length beyond the plan', { ...good, kvLengths: lengths(past + 1, 65) }],
    ['more tokens than the plan allows', { ...good, queryLengths: lengths(2, 1) }],
    [
      'more sequences than the plan allows',
      batchOf(scene, [first, second, first], [0, 0, 0], [1, 1, 1]),
    ],
  ]
  for (const [what, batch] of wrong) await expectError(() => plan.prepare(batch), codes.batch, what)
  for (const bad of [0, first.handle ^ 0x8000_0000]) {
    const batch = { ...good, sequences: lengths(first.handle, bad as Sequence) }
    await expectError(() => plan.prepare(batch), codes.stale, `sequence ${bad}`)
  }
  scene.free(second)
  await expectError(() => plan.prepare(good), codes.stale, 'a freed sequence')
  const third = cache.allocate()!
  scene.step([scene.track(third.sequence)], [past + 1])
  await expectError(() => plan.prepare(good), codes.stale, 'a freed sequence, its slot in use')
  before.expectUnchanged('after wrong batches')
  plan.prepare(batchOf(scene, [first], [1], [past + 1]))
  plan.run(goodArguments(scene).good)
}
