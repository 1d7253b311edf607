/**
 * The kit tests itself: a cache with any of these mistakes must fail, in the group of cases that is
 * about it. The same cache without a mistake passes all of them: see js-subjects.test.ts.
 */
import { expect, test } from 'vitest'

import { cacheCases, cacheContext, runCases, type CaseResult } from '../src/index.ts'
import { mutantCaches, mutantMemory } from './support/mutant-caches.ts'

test.each(mutantCaches)('a cache fails in which %s', async (_mistake, group, Cache) => {
  const context = cacheContext({
    kind: 'paged',
    create: (options) => new Cache(options, mutantMemory),
    memory: mutantMemory,
    prefixIndex: false,
  })
  const failures: string[] = []
  const note = (result: CaseResult) => {
    if (result.status === 'failed') failures.push(result.name)
  }
  const cases = cacheCases('paged').filter((one) => one.group === group)
  await runCases(cases, context, note, { bail: true })
  expect(failures, 'the kit did not notice').toHaveLength(1)
})
