import { expect, test } from 'vitest'

import { decode } from '../src/own-runner/storage.ts'

const half = { one: 0x3c00, minusTwo: 0xc000, smallest: 0x0001 }

test('Q8_0 is a scale and signed bytes', () => {
  const bytes = new Uint8Array(2 * 34)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, half.minusTwo, true)
  view.setInt8(2, -3)
  view.setInt8(33, 127)
  view.setUint16(34, half.one, true)
  view.setInt8(36, 5)
  const numbers = decode('Q8_0', bytes, 64)
  expect([numbers[0], numbers[31], numbers[32]]).toEqual([6, -254, 5])
})

test('Q4_1 is a scale, a minimum, and low halves before high ones', () => {
  const bytes = new Uint8Array(20)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, half.one, true)
  view.setUint16(2, half.minusTwo, true)
  bytes[4] = 0xf1
  bytes[19] = 0x20
  const numbers = decode('Q4_1', bytes, 32)
  expect([numbers[0], numbers[16], numbers[15], numbers[31], numbers[1]]).toEqual([
    -1, 13, -2, 0, -2,
  ])
})

test('subnormal scales count', () => {
  const bytes = new Uint8Array(34)
  new DataView(bytes.buffer).setUint16(0, half.smallest, true)
  bytes[2] = 1
  expect(decode('Q8_0', bytes, 32)[0]).toBe(2 ** -24)
})

test('other types are refused by name', () => {
  expect(() => decode('Q6_K', new Uint8Array(210), 256)).toThrow(/F32, Q8_0, Q4_1 expected.*Q6_K/)
})
