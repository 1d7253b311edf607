import { expect, test } from 'vitest'

import { fillRandom, mix, Random } from '../src/index.ts'

test('values have mean 0, variance 1, and follow from the seed', () => {
  const [first, second, other] = [1, 1, 2].map((seed) => {
    const values = new Float32Array(100_000)
    fillRandom(seed, values)
    return values
  }) as [Float32Array, Float32Array, Float32Array]
  expect(first).toEqual(second)
  expect(first).not.toEqual(other)
  const mean = first.reduce((sum, value) => sum + value, 0) / first.length
  const variance = first.reduce((sum, value) => sum + value * value, 0) / first.length
  expect(mean).toBeCloseTo(0, 2)
  expect(variance).toBeCloseTo(1, 2)
})

test('mixing tells orders and neighbours apart', () => {
  const seen = new Set<number>()
  for (let a = 0; a < 40; a++) for (let b = 0; b < 40; b++) seen.add(mix(a, b))
  expect(seen.size).toBe(1600)
})

test('integers and shuffles stay in range and replay', () => {
  const [first, second] = [new Random(9), new Random(9)]
  const drawn = Array.from({ length: 1000 }, () => first.integer(7))
  expect(new Set(drawn)).toEqual(new Set([0, 1, 2, 3, 4, 5, 6]))
  for (const value of drawn) expect(second.integer(7)).toBe(value)
  expect(first.shuffle([1, 2, 3, 4, 5]).sort()).toEqual([1, 2, 3, 4, 5])
})
