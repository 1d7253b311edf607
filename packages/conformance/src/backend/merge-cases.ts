/**
 * Merge: partial results over disjoint keys, combined, are the result over all of them. With made-up
 * partials of every count, and with real ones over sequences that hold a part of the keys each.
 */
import type { Capabilities, DType, Tensor } from '@vattention/interface'

import { codes, expect, expectError, expectSameBits } from '../expect.ts'
import { readValues, type Memory } from '../memory.ts'
import { roundAll, rounding } from '../number-formats.ts'
import { fillRandom, mix, Random } from '../random.ts'
import { referenceMerge } from '../reference-attention.ts'
import { lseBound, outputBound } from '../tolerance.ts'
import { baseConfig, type CacheKind } from './base-config.ts'
import type { BackendCase, BackendContext } from './context.ts'
import { makeOperand, type Operand, type Placement } from './operand.ts'
import { doPass } from './pass.ts'

const group = 'merge'
const splitCounts = [1, 2, 3, 5, 17, 32, 55, 97, 133]

/** Relative error of rounding once. */
const epsilon: Readonly<Record<DType, number>> = {
  float32: 2 ** -24,
  float16: 2 ** -11,
  bfloat16: 2 ** -8,
  float8_e4m3: 2 ** -4,
  int32: 0,
}

/** Partial results in memory. */
interface Parts {
  readonly operands: readonly { readonly output: Operand; readonly lse: Operand }[]
  readonly values: readonly { readonly output: Float32Array; readonly lse: Float32Array }[]
}

/** Partials as they come: some empty, some far heavier than others. */
function makeParts(
  memory: Memory,
  dtype: DType,
  placement: Placement,
  [tokens, heads, dim]: readonly [number, number, number],
  count: number,
  empty: (part: number, row: number) => boolean,
): Parts {
  const values = Array.from({ length: count }, (_, part) => {
    const output = new Float32Array(tokens * heads * dim)
    const lse = new Float32Array(tokens * heads)
    fillRandom(mix(1, part), output)
    fillRandom(mix(2, part), lse)
    for (let row = 0; row < lse.length; row++) {
      lse[row]! *= row % 3 === 0 ? 20 : 1
      if (!empty(part, row)) continue
      lse[row] = -Infinity
      output.fill(0, row * dim, (row + 1) * dim)
    }
    return { output: roundAll(dtype, output), lse }
  })
  const operands = values.map(({ output, lse }) => ({
    output: makeOperand(memory, placement, dtype, [tokens, heads, dim], output),
    lse: makeOperand(memory, placement, 'float32', [tokens, heads], lse),
  }))
  return { operands, values }
}

/** Cases of `merge` itself, of any cache. */
export function mergeCases(capabilities: Capabilities): BackendCase[] {
  return capabilities.dtypes.flatMap((dtype) => {
    const needs = { configs: [], flags: ['lse' as const] }
    const { valueHeadDim } = baseConfig(capabilities, 'contiguous').cache.shape
    const shape = [13, 3, valueHeadDim] as const
    const make = (
      name: string,
      run: (context: BackendContext) => void | Promise<void>,
    ): BackendCase => ({ group, name: `${group}: ${name} (${dtype})`, needs, run })
    return [
      ...splitCounts.map((count) =>
        make(`${count} partial results`, (context) => {
          checkMerge(context, dtype, 'dense', shape, count, () => false)
        }),
      ),
      ...splitCounts.map((count) =>
        make(`${count} partial results, half of them empty`, (context) => {
          checkMerge(context, dtype, 'rows', shape, count, (part, row) => (part + row) % 2 === 0)
        }),
      ),
      make('rows that are empty in every partial result', (context) => {
        checkMerge(context, dtype, 'spread', shape, 4, (_, row) => row % 4 === 1)
      }),
      make('refuses what does not fit, and writes nothing', (context) =>
        checkRefusals(context, dtype, shape),
      ),
    ]
  })
}

function checkMerge(
  { subject, memory }: BackendContext,
  dtype: DType,
  placement: Placement,
  shape: readonly [number, number, number],
  count: number,
  empty: (part: number, row: number) => boolean,
): void {
  const [tokens, heads, dim] = shape
  const parts = makeParts(memory, dtype, placement, shape, count, empty)
  const output = makeOperand(memory, placement, dtype, shape)
  const lse = makeOperand(memory, placement, 'float32', [tokens, heads])
  subject.backend.merge(
    parts.operands.map((part) => ({ output: part.output.tensor, lse: part.lse.tensor })),
    { output: output.tensor, lse: lse.tensor },
  )
  const exact = referenceMerge(parts.values, tokens * heads, dim)
  const found = readValues(memory, output.tensor)
  // The rounding of the result itself is all that a narrow type may cost here.
  const pt = exact.output.reduce(
    (max, value) => Math.max(max, Math.abs(rounding[dtype](value) - value)),
    0,
  )
  const allowed = outputBound({ dtype, kvDtype: dtype, merged: true }, pt)
  for (const [i, expected] of exact.output.entries()) {
    const where = `token ${Math.floor(i / dim / heads)}, head ${Math.floor(i / dim) % heads}, dim ${i % dim}`
    expect(
      Math.abs(found[i]! - expected) <= allowed,
      `${where}: output is ${found[i]}, expected ${expected} (within ${allowed})`,
    )
  }
  const foundLse = readValues(memory, lse.tensor)
  for (const [row, expected] of exact.lse.entries()) {
    expect(
      foundLse[row] === expected ||
        Math.abs(foundLse[row]! - expected) <= lseBound('float32', expected),
      `row ${row}: LSE is ${foundLse[row]}, expected ${expected}`,
    )
  }
  for (const { output: one, lse: other } of parts.operands) {
    one.expectGapsUntouched()
    other.expectGapsUntouched()
  }
  output.expectGapsUntouched()
}

async function checkRefusals(
  { subject, memory }: BackendContext,
  dtype: DType,
  shape: readonly [number, number, number],
): Promise<void> {
  const [tokens, heads, dim] = shape
  const { operands } = makeParts(memory, dtype, 'dense', shape, 2, () => false)
  const good = operands.map((part) => ({ output: part.output.tensor, lse: part.lse.tensor }))
  const output = makeOperand(memory, 'dense', dtype, shape)
  const wrongOutput = makeOperand(memory, 'dense', dtype, [tokens, heads, dim + 8])
  const wrongLse = makeOperand(memory, 'dense', 'float32', [tokens + 1, heads])
  const lse = makeOperand(memory, 'dense', 'float32', [tokens, heads])
  const intLse: Tensor = { ...lse.tensor, dtype: 'int32' }
  const into = { output: output.tensor }
  const { backend } = subject
  const attempts: readonly (readonly [string, () => void])[] = [
    ['no partial results', () => backend.merge([], into)],
    [
      'a partial output of another shape',
      () => backend.merge([good[0]!, { ...good[1]!, output: wrongOutput.tensor }], into),
    ],
    [
      'a partial LSE of another shape',
      () => backend.merge([good[0]!, { ...good[1]!, lse: wrongLse.tensor }], into),
    ],
    [
      'a partial LSE of another dtype',
      () => backend.merge([good[0]!, { ...good[1]!, lse: intLse }], into),
    ],
    ['an LSE of another shape', () => backend.merge(good, { ...into, lse: wrongLse.tensor })],
  ]
  for (const [what, attempt] of attempts) {
    await expectError(attempt, codes.tensor, what)
    expect(readValues(memory, output.tensor).every(Number.isNaN), `${what}: output was written`)
  }
}

/** Cases over a cache of `kind`: real partial results, by cutting the keys into sequences. */
export function splitCases(capabilities: Capabilities, kind: CacheKind): BackendCase[] {
  const config = baseConfig(capabilities, kind, { needsLse: true })
  return [1, 2, 3, 5, 17].map((count) => ({
    group,
    name: `${group}: attention over ${count} parts of the keys, half of them empty from 5 on, is attention over all (${kind})`,
    needs: { configs: [config], flags: ['decode' as const] },
    run: (context) => checkSplit(context, config, count),
  }))
}

async function checkSplit(
  context: BackendContext,
  config: ReturnType<typeof baseConfig>,
  count: number,
): Promise<void> {
  const kv = 517
  const { memory, subject } = context
  using scene = context.scene(config, {
    lengths: [kv, ...Array<number>(count).fill(kv)],
    tokens: 1,
  })
  const whole = scene.add(kv)
  const random = new Random(count)
  const cuts = Array.from({ length: count - 1 }, () => 1 + random.integer(kv - 1))
  const edges = [0, ...cuts.sort((a, b) => a - b), kv]
  if (count >= 5) edges.fill(edges[2]!, 2, 2 + Math.floor(count / 2))
  const { dtype, queryHeads } = config
  const { headDim, valueHeadDim } = config.cache.shape
  const queryRows = scene.makeRows(whole, 'query', 0, kv - 1, 1)
  const query = makeOperand(memory, 'dense', dtype, [1, queryHeads, headDim], queryRows)
  const parts = edges.slice(1).map((to, i) => {
    const from = edges[i]!
    const part = scene.allocate()
    if (to > from) scene.step([part], [to - from])
    for (const kind of ['key', 'value'] as const) {
      const rows = scene.rows.read(whole.handle, 0, kind, from, to)
      scene.rows.write(part.handle, 0, kind, 0, rows)
    }
    scene.plan.prepare({
      cache: scene.cache,
      sequences: Uint32Array.of(part.handle),
      queryLengths: Uint32Array.of(1),
      kvLengths: Uint32Array.of(to - from),
    })
    // Partial results stay as wide as they can be: narrow ones would be rounded twice.
    const output = makeOperand(memory, 'dense', dtype, [1, queryHeads, valueHeadDim])
    const lse = makeOperand(memory, 'dense', 'float32', [1, queryHeads])
    scene.plan.run({ layer: 0, query: query.tensor, output: output.tensor, lse: lse.tensor })
    return { output, lse }
  })
  const output = makeOperand(memory, 'dense', dtype, [1, queryHeads, valueHeadDim])
  const lse = makeOperand(memory, 'dense', 'float32', [1, queryHeads])
  subject.backend.merge(
    parts.map((part) => ({ output: part.output.tensor, lse: part.lse.tensor })),
    { output: output.tensor, lse: lse.tensor },
  )
  const all = await doPass(scene, [{ sequence: whole, queryLength: 1 }], { appending: 'none' })
  const found = readValues(memory, output.tensor)
  const expected = all.layers[0]!
  expectSameBits(expected.query, queryRows, 'the queries of the kit')
  const largest = expected.output.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
  const allowed = outputBound({ dtype, kvDtype: dtype, merged: true }, largest * epsilon[dtype])
  for (const [i, value] of expected.output.entries()) {
    expect(
      Math.abs(found[i]! - value) <= allowed,
      `merged element ${i} is ${found[i]}, unsplit it is ${value} (within ${allowed})`,
    )
  }
  for (const [head, value] of expected.lse!.entries()) {
    const merged = readValues(memory, lse.tensor)[head]!
    expect(
      Math.abs(merged - value) <= 2 * lseBound(dtype, value, scene.sumsRounded),
      `merged LSE of head ${head} is ${merged}, unsplit it is ${value}`,
    )
  }
}
