import { describe, expect, it } from 'vitest'

import { fittingDivisor, generateTrace, prefixCeiling, scaleTrace } from '../../src/traces/index.ts'
import { code, thrownBy, traceOf } from './support/traces.ts'

const request = (arrivalSeconds: number, promptTokens: number, outputTokens: number) => ({
  arrivalSeconds,
  promptTokens,
  outputTokens,
})
const trace = traceOf([
  request(1, 100, 7),
  request(3, 41, 1),
  request(5, 4000, 90),
  request(7, 80, 8),
  request(100, 8, 8),
])

describe('scaleTrace', () => {
  it('cuts rows, divides lengths rounding up, leaves out what is too long, scales time', () => {
    const { trace: scaled, scale } = scaleTrace(trace, {
      maxRows: 4,
      lengthDivisor: 10,
      maxTotalTokens: 50,
      rateFactor: 2,
    })
    expect(scaled.requests).toEqual([request(0, 10, 1), request(1, 5, 1), request(3, 8, 1)])
    expect(scale).toEqual({
      rowsBefore: 5,
      rows: 3,
      rowsTooLong: 1,
      lengthDivisor: 10,
      maxTotalTokens: 50,
      rateFactor: 2,
      requestsPerSecond: 2 / 3,
    })
    expect(scaled.source).toEqual(trace.source)
  })

  it('brings arrivals to a rate', () => {
    const { scale } = scaleTrace(trace, { maxRows: 4, requestsPerSecond: 5 })
    expect(scale.rateFactor).toBe(10) // 0.5 before
    expect(scale.requestsPerSecond).toBe(5)
  })

  it('changes nothing when nothing is asked for, but the origin of time', () => {
    const { trace: same, scale } = scaleTrace(trace)
    expect(same.requests.map(({ promptTokens }) => promptTokens)).toEqual([100, 41, 4000, 80, 8])
    expect(same.requests[0]!.arrivalSeconds).toBe(0)
    expect(scale).toMatchObject({ lengthDivisor: 1, rateFactor: 1, rowsTooLong: 0 })
  })

  it('keeps what prompts share: hits of blocks are the same', () => {
    const hashed = generateTrace('mooncake-conversation', { requests: 500 })
    const { trace: scaled } = scaleTrace(hashed, { lengthDivisor: 64 })
    expect(scaled.blockTokens).toBe(8)
    for (const { promptTokens, blockHashes } of scaled.requests) {
      expect(blockHashes).toHaveLength(Math.ceil(promptTokens / 8))
    }
    expect(prefixCeiling(scaled)).toMatchObject({
      blockRate: prefixCeiling(hashed).blockRate,
      firstBlockOnlyRate: prefixCeiling(hashed).firstBlockOnlyRate,
    })
  })

  it('says which divisor would do when no row is left', () => {
    const error = () => scaleTrace(trace, { maxRows: 3, maxTotalTokens: 20 })
    expect(thrownBy(error)).toMatchObject(code('TRACE_SCALE'))
    expect(error).toThrow('lengthDivisor of 256')
    const divided = scaleTrace(trace, { maxRows: 3, maxTotalTokens: 20, lengthDivisor: 256 })
    expect(divided.scale.rowsTooLong).toBe(0)
    expect(fittingDivisor(trace, 4090)).toBe(1)
    expect(fittingDivisor(trace, 4089)).toBe(2)
    expect(thrownBy(() => fittingDivisor(trace, 1))).toMatchObject(code('TRACE_SCALE'))
  })

  it.each([
    [{ lengthDivisor: 0.5 }, 'lengthDivisor'],
    [{ maxRows: 0 }, 'maxRows'],
    [{ maxTotalTokens: 1.5 }, 'maxTotalTokens'],
    [{ rateFactor: 0 }, 'rateFactor'],
    [{ requestsPerSecond: Number.NaN }, 'requestsPerSecond'],
    [{ rateFactor: 1, requestsPerSecond: 1 }, 'not both'],
  ])('refuses %o', (options, message) => {
    expect(thrownBy(() => scaleTrace(trace, options))).toMatchObject(code('TRACE_SCALE'))
    expect(() => scaleTrace(trace, options)).toThrow(message)
  })

  it('refuses a divisor that cuts through blocks, and a rate where nothing arrives', () => {
    const hashed = traceOf([{ promptTokens: 9, outputTokens: 1, blockHashes: [0, 1] }], 8)
    expect(() => scaleTrace(hashed, { lengthDivisor: 3 })).toThrow("divides a block's 8 tokens")
    expect(() => scaleTrace(hashed, { requestsPerSecond: 3 })).toThrow('no arrivals')
  })
})
