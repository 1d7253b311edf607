import { describe, expect, it } from 'vitest'

import { promptTokensOf, scaleTrace } from '../../src/traces/index.ts'
import { code, thrownBy, traceOf } from './support/traces.ts'

const hashed = traceOf(
  [
    { promptTokens: 10, outputTokens: 1, blockHashes: [0, 1, 2] },
    { promptTokens: 16, outputTokens: 1, blockHashes: [0, 1, 3, 4] },
    { promptTokens: 4, outputTokens: 1, blockHashes: [0] },
  ],
  4,
)
const plain = traceOf([
  { promptTokens: 1000, outputTokens: 1 },
  { promptTokens: 1000, outputTokens: 1 },
])

describe('promptTokensOf', () => {
  it('gives equal tokens for equal hashes, cut to the length', () => {
    const [a, b, c] = [0, 1, 2].map((row) => promptTokensOf(hashed, row, { vocabularySize: 1000 }))
    expect(a).toHaveLength(10)
    expect(b).toHaveLength(16)
    expect(a!.subarray(0, 8)).toEqual(b!.subarray(0, 8))
    expect(a!.subarray(8)).not.toEqual(b!.subarray(8, 10))
    expect(c).toEqual(a!.subarray(0, 4))
  })

  it('shares as much after scaling: hashes keep their meaning', () => {
    const { trace } = scaleTrace(hashed, { lengthDivisor: 2 })
    expect(trace.blockTokens).toBe(2)
    const [a, b] = [0, 1].map((row) => promptTokensOf(trace, row, { vocabularySize: 1000 }))
    expect(a).toHaveLength(5)
    expect(a!.subarray(0, 4)).toEqual(b!.subarray(0, 4))
  })

  it('gives rows without hashes tokens of their own, uniform over the range', () => {
    const options = { vocabularySize: 110, firstToken: 10 }
    const [a, b] = [0, 1].map((row) => promptTokensOf(plain, row, options))
    expect(a).not.toEqual(b)
    expect(Math.min(...a!)).toBeGreaterThanOrEqual(10)
    expect(Math.max(...a!)).toBeLessThan(110)
    expect(new Set([...a!, ...b!]).size).toBe(100)
    expect(promptTokensOf(plain, 1, options)).toEqual(b)
  })

  it('has other tokens with another seed, so that nothing of an earlier run is found', () => {
    for (const trace of [plain, hashed]) {
      const [a, b] = [1, 2].map((seed) => promptTokensOf(trace, 0, { vocabularySize: 1e6, seed }))
      expect(a!.filter((token, i) => token === b![i])).toHaveLength(0)
    }
  })

  it('refuses what it cannot draw from', () => {
    for (const options of [
      { vocabularySize: 0 },
      { vocabularySize: 10, firstToken: 10 },
      { vocabularySize: 10, seed: -1 },
      { vocabularySize: 10, seed: 0.5 },
    ]) {
      expect(thrownBy(() => promptTokensOf(plain, 0, options))).toMatchObject(code('TRACE_SCALE'))
    }
    expect(() => promptTokensOf(plain, 2, { vocabularySize: 10 })).toThrow('no row 2')
  })
})
