import { expect, test } from 'vitest'
import { formatBytes, formatDuration, parseBytes } from '../src/cli/units.ts'

test('sizes are read with their unit spelled', () => {
  expect(parseBytes('64KiB')).toBe(65536)
  expect(parseBytes('1.5 GiB')).toBe(1.5 * 2 ** 30)
  expect(parseBytes('4096B')).toBe(4096)
})

test.each(['64', '64kb', '-1MiB', '0B', '1.3B', 'MiB', '9000000TiB', ''])(
  '%j is no size',
  (text) => {
    expect(parseBytes(text)).toBeUndefined()
  },
)

test('sizes are written in the largest fitting unit', () => {
  expect(formatBytes(0)).toBe('0 B')
  expect(formatBytes(65536)).toBe('64 KiB')
  expect(formatBytes(24_536_678)).toBe('23.4 MiB')
  expect(formatBytes(1.5 * 2 ** 30)).toBe('1.50 GiB')
})

test('durations are written as people read them', () => {
  expect(formatDuration(0.25)).toBe('250 µs')
  expect(formatDuration(8.24)).toBe('8.2 ms')
  expect(formatDuration(840)).toBe('840 ms')
  expect(formatDuration(12_340)).toBe('12.3 s')
})
