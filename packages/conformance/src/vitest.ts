/**
 * The kit under vitest: each case is a test, and one that does not apply is skipped with its reason.
 * @packageDocumentation
 */
import { afterAll, describe, test } from 'vitest'

import { backendCases } from './backend/backend-cases.ts'
import { cacheCases } from './cache/cache-cases.ts'
import { runCase, type CaseContext, type ConformanceCase } from './case.ts'
import { backendContext, cacheContext } from './contexts.ts'
import type { BackendSubject, CacheSubject } from './subject.ts'

/**
 * Tests a backend against its own capability data.
 *
 * @param name Of the suite.
 * @param factory Makes the backend and says which caches to use; called once. The kit disposes the
 * backend.
 * @example
 * ```ts
 * describeBackend('my backend', () => ({
 *   backend: new MyBackend(),
 *   caches: {
 *     contiguous: (options) => new ContiguousKvCache(options),
 *     paged: (options) => new PagedKvCache(options),
 *   },
 * }))
 * ```
 */
export function describeBackend(
  name: string,
  factory: () => BackendSubject | Promise<BackendSubject>,
): void {
  describe(name, async () => {
    const subject = await factory()
    afterAll(() => subject.backend[Symbol.dispose]())
    addTests(backendCases(subject.backend.capabilities), backendContext(subject))
  })
}

/**
 * Tests a cache.
 *
 * @param name Of the suite.
 * @param factory Says which kind it is and how to make one; called once.
 * @example
 * ```ts
 * describeCache('ContiguousKvCache', () => ({
 *   kind: 'contiguous',
 *   create: (options) => new ContiguousKvCache(options),
 * }))
 * ```
 */
export function describeCache(
  name: string,
  factory: () => CacheSubject | Promise<CacheSubject>,
): void {
  describe(name, async () => {
    const subject = await factory()
    addTests(cacheCases(subject.kind), cacheContext(subject))
  })
}

function addTests<Needs, Context extends CaseContext<Needs>>(
  cases: readonly ConformanceCase<Context, Needs>[],
  context: Context,
): void {
  for (const testCase of cases) {
    test(testCase.name, async (task) => {
      const result = await runCase(testCase, context)
      if (result.status === 'failed') throw result.error
      if (result.status === 'skipped') task.skip(result.reasons.join('; '))
    })
  }
}
