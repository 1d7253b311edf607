import { describe, expect, test } from 'vitest'

import {
  backendCases,
  cacheCases,
  ConformanceFailure,
  runCases,
  SkipCase,
  type CaseResult,
  type ConformanceCase,
} from '../src/index.ts'

const context = { unmet: (needs: string[]) => needs }
const passing: ConformanceCase<typeof context, string[]> = {
  ...{ group: 'some', name: 'passes', needs: [] },
  run: () => undefined,
}
const failing = {
  ...passing,
  name: 'fails',
  run: () => Promise.reject(new ConformanceFailure('wrong')),
}
const unmet = { ...passing, name: 'does not apply', needs: ['a unicorn', 'a rainbow'] }
const skipping = {
  ...passing,
  name: 'finds out',
  run: () => {
    throw new SkipCase('too small')
  },
}

describe('runCases', () => {
  test('tells what became of each case, with the reasons', async () => {
    const results: CaseResult[] = []
    const note = (result: CaseResult) => results.push(result)
    const summary = await runCases([passing, failing, unmet, skipping], context, note)
    expect(summary).toEqual({ passed: 1, failed: 1, skipped: 2 })
    const error = expect.objectContaining({ message: 'wrong' }) as unknown
    expect(results).toEqual([
      { group: 'some', name: 'passes', status: 'passed' },
      { group: 'some', name: 'fails', status: 'failed', error },
      {
        group: 'some',
        name: 'does not apply',
        status: 'skipped',
        reasons: ['a unicorn', 'a rainbow'],
      },
      { group: 'some', name: 'finds out', status: 'skipped', reasons: ['too small'] },
    ])
  })

  test('stops at the first failure when told to', async () => {
    const summary = await runCases([failing, passing], context, undefined, { bail: true })
    expect(summary).toEqual({ passed: 0, failed: 1, skipped: 0 })
  })
})

test('names of cases are unique, and begin with their group', () => {
  for (const cases of [backendCases(), cacheCases('contiguous'), cacheCases('paged')]) {
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length)
    for (const { name, group } of cases) expect(name.startsWith(`${group}: `)).toBe(true)
  }
})
