import { expect, test } from 'vitest'
import { checkBatch } from '../src/index.ts'

const limits = { maxSequences: 3, maxTokens: 8, maxLength: 100 }
const batch = (sequences: number[], queryLengths: number[], kvLengths: number[]) => ({
  sequences: Uint32Array.from(sequences),
  queryLengths: Uint32Array.from(queryLengths),
  kvLengths: Uint32Array.from(kvLengths),
})

test('a batch within the limits counts its rows', () => {
  expect(checkBatch(batch([1, 2, 3], [4, 1, 3], [4, 100, 0]), limits)).toBe(8)
  expect(checkBatch(batch([], [], []), limits)).toBe(0)
})

test.each([
  [
    'too many sequences',
    batch([1, 2, 3, 4], [1, 1, 1, 1], [1, 1, 1, 1]),
    'sequences: at most 3 sequences required, found 4',
  ],
  [
    'too many tokens',
    batch([1], [9], [9]),
    'queryLengths: at most 8 tokens in all required, found 9',
  ],
  ['too long', batch([1], [1], [101]), 'kvLengths[0]: at most 100 required, found 101'],
  [
    'more queries than keys',
    batch([1], [5], [4]),
    'kvLengths[0]: at least the query length 5 required, found 4',
  ],
  ['lengths missing', batch([1, 2], [1], [1, 1]), 'queryLengths: 2 lengths required, found 1'],
])('%s is refused', (_, wrong, message) => {
  expect(() => checkBatch(wrong, limits)).toThrow(message)
})

test('plain arrays are refused: they would be copied on every pass', () => {
  const wrong = { ...batch([1], [1], [1]), sequences: [1] as unknown as Uint32Array }
  expect(() => checkBatch(wrong, limits)).toThrow(/a Uint32Array required/)
})

test('a plan made for capture has the limits of its graph', () => {
  const graph = { ...limits, graph: { sequences: 2, maxLength: 50 } }
  expect(() => checkBatch(batch([1, 2, 3], [1, 1, 1], [1, 1, 51]), graph)).toThrow(
    /at most 2 sequences/,
  )
})
