import { describe, expect, test } from 'vitest'

import { hostTensor, read, write } from '@vattention/core'

import { fillRandom } from '../src/random.ts'
import { roundAll, roundBfloat16, roundFloat16, roundFloat8 } from '../src/number-formats.ts'

describe('rounding goes to the nearest value, ties to even', () => {
  test('bfloat16', () => {
    expect(roundBfloat16(1 + 2 ** -8)).toBe(1) // a tie
    expect(roundBfloat16(1 + 3 * 2 ** -8)).toBe(1 + 2 ** -6)
    expect(roundBfloat16(1 + 2 ** -8 + 2 ** -20)).toBe(1 + 2 ** -7)
    expect(roundBfloat16(-3.14159)).toBe(-3.140625)
    expect(roundBfloat16(3.4e38)).toBe(Infinity)
    expect(roundBfloat16(NaN)).toBeNaN()
    expect(roundBfloat16(-0)).toBe(-0)
  })

  test('float16', () => {
    expect(roundFloat16(1 + 2 ** -11)).toBe(1)
    expect(roundFloat16(1 + 3 * 2 ** -11)).toBe(1 + 2 ** -9)
    expect(roundFloat16(65504)).toBe(65504)
    expect(roundFloat16(65519)).toBe(65504)
    expect(roundFloat16(65520)).toBe(Infinity)
    expect(roundFloat16(2 ** -24)).toBe(2 ** -24)
    expect(roundFloat16(2 ** -25)).toBe(0)
    expect(roundFloat16(-(2 ** -25))).toBe(-0)
    expect(roundFloat16(3 * 2 ** -25)).toBe(2 ** -23)
    expect(roundFloat16(-Infinity)).toBe(-Infinity)
  })

  test('float8 e4m3', () => {
    expect(roundFloat8(1.0625)).toBe(1)
    expect(roundFloat8(1.1875)).toBe(1.25)
    expect(roundFloat8(447)).toBe(448)
    expect(roundFloat8(-10000)).toBe(-448)
    expect(roundFloat8(2 ** -9)).toBe(2 ** -9)
    expect(roundFloat8(2 ** -10)).toBe(0)
    expect(roundFloat8(-1.5 * 2 ** -9)).toBe(-(2 ** -8))
  })
})

test.each(['float32', 'bfloat16', 'float16', 'float8_e4m3'] as const)(
  '%s rounds as the memory of @vattention/core does',
  (dtype) => {
    const values = new Float32Array(40_000)
    fillRandom(1, values)
    // All magnitudes: large ones, and down into the subnormal ones.
    for (let i = 0; i < values.length; i++) values[i]! *= 2 ** ((i % 44) - 36)
    using tensor = hostTensor(dtype, [values.length])
    write(tensor, values)
    expect(Buffer.from(roundAll(dtype, values).buffer)).toEqual(Buffer.from(read(tensor).buffer))
  },
)
