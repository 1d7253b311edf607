import { describe, expect, it } from 'vitest'

import { vmm } from '../../src/suites/vmm.ts'
import { casesOf, runSuite } from './support/run-suite.ts'

describe('the suite vmm', () => {
  it('has a case for each call, page class and number of handles, and tells what there is not', async () => {
    const run = await runSuite(vmm, { handles: [1, 4], rounds: 1, mappingCap: 300 })
    expect(run.reasons).toEqual([])
    const calls = casesOf(run, { part: 'calls' })
    // Two page classes, one handle and four, seven calls that the host has.
    expect(calls).toHaveLength(2 * 2 * 7)
    expect(new Set(calls.map(({ parameters }) => parameters.pageBytes))).toEqual(
      new Set([2 ** 16, 2 ** 21]),
    )
    for (const { name, metrics, samples } of calls) {
      const { callUs, pageUs } = metrics as Record<string, { n: number; max: number }>
      expect(callUs!.n).toBe(samples!.callUs!.length)
      expect(Math.max(...(samples!.callUs as number[]))).toBe(callUs!.max)
      const pages = name.includes('4 x') && !name.startsWith('export') ? 4 : 1
      expect(pageUs!.max / (callUs!.max / pages)).toBeCloseTo(1, 4)
    }
    expect(run.recorder.skipped.map((one) => one.case)).toEqual(['map', 'setAccess'])
  })

  it('stops looking for the ceiling at its cap, and says so', async () => {
    const run = await runSuite(vmm, { handles: [1], rounds: 1, mappingCap: 300 })
    const [found] = casesOf(run, { part: 'ceiling' })
    expect(found!.parameters.end).toBe('cap')
    expect(found!.metrics).toMatchObject({ liveMappingsCount: 300, capCount: 300 })
    expect(found!.metrics.limitCount).toBeGreaterThan(0)
  })
})
