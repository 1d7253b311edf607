import { describe, expect, test } from 'vitest'

import { referenceAttention, referenceMerge, type ReferenceInput } from '../src/index.ts'
import { roundBfloat16, roundFloat8Weight } from '../src/number-formats.ts'
import { fillRandom } from '../src/random.ts'

const one = { queryHeads: 1, kvHeads: 1, headDim: 1, valueHeadDim: 1 }
const floats = (...values: number[]) => Float32Array.from(values)

/** Query 0, so that all visible keys weigh the same; values 1, 2, 4, 8. */
const uniform: ReferenceInput = {
  ...one,
  query: floats(0, 0),
  key: floats(5, -5, 3, 1),
  value: floats(1, 2, 4, 8),
  queryLength: 2,
  kvLength: 4,
}

const random = (length: number, seed: number) => {
  const values = new Float32Array(length)
  fillRandom(seed, values)
  return values
}

describe('what a row sees', () => {
  test('causal: the last row sees all, the one before all but one', () => {
    const { output, lse } = referenceAttention(uniform)
    expect([...output]).toEqual([7 / 3, 15 / 4].map((value) => expect.closeTo(value, 12)))
    expect([...lse]).toEqual([Math.log(3), Math.log(4)].map((value) => expect.closeTo(value, 12)))
  })

  test('without a mask every row sees all', () => {
    const { output } = referenceAttention({ ...uniform, causal: false })
    expect([...output]).toEqual([expect.closeTo(15 / 4, 12), expect.closeTo(15 / 4, 12)])
  })

  test('a window counts the row itself', () => {
    expect([...referenceAttention({ ...uniform, window: 1 }).output]).toEqual([4, 8])
    expect([...referenceAttention({ ...uniform, window: 2 }).output]).toEqual([3, 6])
  })

  test('only the rows asked for are computed, in that order', () => {
    const { output } = referenceAttention({ ...uniform, window: 1, rows: [1, 0] })
    expect([...output]).toEqual([8, 4])
  })

  test('an empty sequence gives zeros and -Infinity', () => {
    const { output, lse } = referenceAttention({ ...uniform, kvLength: 0 })
    expect([...output]).toEqual([0, 0])
    expect([...lse]).toEqual([-Infinity, -Infinity])
  })
})

describe('scores', () => {
  const scored: ReferenceInput = { ...uniform, query: floats(1), queryLength: 1, kvLength: 2 }
  const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
  /** The share of the first key, whose score is `difference` above the second's. */
  const share = (input: ReferenceInput) => 2 - referenceAttention(input).output[0]!

  test('are scaled by 1 / sqrt(headDim) unless told otherwise', () => {
    expect(share(scored)).toBeCloseTo(sigmoid(10), 12)
    expect(share({ ...scored, scale: 0.1 })).toBeCloseTo(sigmoid(1), 12)
  })

  test('are capped after scaling', () => {
    const capped = 2 * Math.tanh(0.5 / 2)
    expect(share({ ...scored, scale: 0.1, softCap: 2 })).toBeCloseTo(sigmoid(2 * capped), 12)
  })

  test('get ALiBi after the cap: the further back, the less', () => {
    const alibiSlopes = floats(0.5)
    expect(share({ ...scored, scale: 0.1, alibiSlopes })).toBeCloseTo(sigmoid(1 - 0.5), 12)
  })

  test('share the softmax with a sink, which has no value and is in the LSE', () => {
    const { output, lse } = referenceAttention({ ...uniform, queryLength: 1, sinks: floats(0) })
    expect(output[0]).toBeCloseTo(15 / 5, 12)
    expect(lse[0]).toBeCloseTo(Math.log(5), 12)
  })

  test('may be as large as they like', () => {
    const huge = referenceAttention({ ...uniform, query: floats(1, 1), scale: 1e4 })
    expect([...huge.output]).toEqual([1, 1])
  })
})

test('query heads share KV heads in order', () => {
  const { output } = referenceAttention({
    ...uniform,
    queryHeads: 4,
    kvHeads: 2,
    query: floats(0, 0, 0, 0),
    key: floats(0, 0),
    value: floats(3, 5),
    queryLength: 1,
    kvLength: 1,
  })
  expect([...output]).toEqual([3, 3, 5, 5])
})

test('partial results over disjoint keys merge into the whole', () => {
  const shape = { queryHeads: 4, kvHeads: 2, headDim: 8, valueHeadDim: 6 }
  const query = random(32, 1)
  const key = random(50 * 16, 2)
  const value = random(50 * 12, 3)
  const part = (from: number, to: number) =>
    referenceAttention({
      ...shape,
      query,
      key: key.subarray(from * 16),
      value: value.subarray(from * 12),
      queryLength: 1,
      kvLength: to - from,
    })
  const whole = part(0, 50)
  const merged = referenceMerge([part(0, 7), part(7, 7), part(7, 50)], 4, 6)
  for (const name of ['output', 'lse'] as const) {
    const close = [...whole[name]].map((number) => expect.closeTo(number, 12) as number)
    expect([...merged[name]]).toEqual(close)
  }
})

test('weights of float8 keep their small ones, and make a larger error', () => {
  const input: ReferenceInput = {
    ...{ queryHeads: 1, kvHeads: 1, headDim: 32, valueHeadDim: 32 },
    ...{ query: random(32, 1), key: random(32 * 400, 2), value: random(32 * 400, 3) },
    ...{ queryLength: 1, kvLength: 400 },
  }
  const exact = referenceAttention(input)
  const worstOf = (roundWeight?: typeof roundFloat8Weight) => {
    const { output } = referenceAttention(input, roundBfloat16, roundWeight)
    return exact.output.reduce((most, value, i) => Math.max(most, Math.abs(value - output[i]!)), 0)
  }
  expect(worstOf(roundFloat8Weight)).toBeGreaterThan(worstOf())
  expect(worstOf(roundFloat8Weight)).toBeLessThan(2 ** -5)
  expect(roundFloat8Weight(1)).toBe(1)
  expect(roundFloat8Weight(2 ** -12)).toBe(2 ** -12)
  expect(roundFloat8Weight(0.3)).toBe(0.3125)
})

test('rounding makes an error of the size of the type', () => {
  const input: ReferenceInput = {
    ...{ queryHeads: 2, kvHeads: 2, headDim: 32, valueHeadDim: 32 },
    ...{ query: random(64 * 8, 1), key: random(64 * 40, 2), value: random(64 * 40, 3) },
    ...{ queryLength: 8, kvLength: 40 },
  }
  const exact = referenceAttention(input)
  const rounded = referenceAttention(input, roundBfloat16)
  const worst = exact.output.reduce(
    (most, value, i) => Math.max(most, Math.abs(value - rounded.output[i]!)),
    0,
  )
  expect(worst).toBeGreaterThan(2 ** -12)
  expect(worst).toBeLessThan(2 ** -5)
})
