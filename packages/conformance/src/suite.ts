/**
 * A suite is a list of cases with nothing left to pass in: what a runner without vitest needs, on a
 * machine that has only Node. The kit's cases of a subject make one, and so does any list of tests.
 */
import { backendCases } from './backend/backend-cases.ts'
import { cacheCases } from './cache/cache-cases.ts'
import { runCase, SkipCase, type CaseContext, type ConformanceCase } from './case.ts'
import { backendContext, cacheContext } from './contexts.ts'
import type { BackendSubject, CacheSubject } from './subject.ts'

/** One thing that must hold, closed over its subject. */
export interface SuiteCase {
  /** Unique in its suite: a sentence that is true of a subject that passes. */
  readonly name: string
  /** What the case is about. Defaults to none. */
  readonly group?: string
  /** Throws when the subject is wrong; {@link SkipCase} with the reason when it cannot apply. */
  run(): void | Promise<void>
}

/** Cases that belong together, of one subject. */
export interface Suite {
  /** Unique among the suites of a run: `flash-attention-2 over contiguous`. */
  readonly name: string
  /**
   * Why none of the cases can run on this machine, in words: they count as skipped, for this reason.
   * Defaults to none.
   */
  readonly unavailable?: string
  readonly cases: readonly SuiteCase[]
}

/** The kit's cases of a backend. The backend is the caller's to dispose. */
export function backendSuite(name: string, subject: BackendSubject): Suite {
  return suiteOf(name, backendCases(subject.backend.capabilities), backendContext(subject))
}

/** The kit's cases of a cache. */
export function cacheSuite(name: string, subject: CacheSubject): Suite {
  return suiteOf(name, cacheCases(subject.kind), cacheContext(subject))
}

/** A suite of cases that run in one context. */
export function suiteOf<Needs, Context extends CaseContext<Needs>>(
  name: string,
  cases: readonly ConformanceCase<Context, Needs>[],
  context: Context,
): Suite {
  return {
    name,
    cases: cases.map((one) => ({
      name: one.name,
      group: one.group,
      run: async () => {
        const result = await runCase(one, context)
        if (result.status === 'failed') throw result.error
        if (result.status === 'skipped') throw new SkipCase(result.reasons.join('; '))
      },
    })),
  }
}
