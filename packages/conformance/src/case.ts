/**
 * A case is data: a name, what it needs, and what it does. Any runner can run it: vitest, node:test,
 * or a script on a machine that has neither.
 */

/** One thing that must hold. */
export interface ConformanceCase<Context, Needs> {
  /** Unique among the cases of a kit: a sentence that is true of a subject that passes. */
  readonly name: string
  /** What the case is about, `shapes` or `memory`. */
  readonly group: string
  /** What a subject must declare for the case to apply to it. */
  readonly needs: Needs
  /** Throws when the subject is wrong; {@link SkipCase} when it turns out that it cannot apply. */
  run(context: Context): void | Promise<void>
}

/** Thrown by a case that finds out, running, that it cannot apply. The reason is reported. */
export class SkipCase extends Error {
  override readonly name = 'SkipCase'
}

/** Thrown by a case whose subject is wrong: what was found, what was expected. */
export class ConformanceFailure extends Error {
  override readonly name = 'ConformanceFailure'
}

/** What became of a case. */
export type CaseResult = {
  readonly name: string
  readonly group: string
} & (
  | { readonly status: 'passed' }
  | { readonly status: 'failed'; readonly error: unknown }
  | {
      readonly status: 'skipped'
      /** Never empty: what the subject does not declare, or what the machine lacks. */
      readonly reasons: readonly string[]
    }
)

/** How many cases ended how. */
export interface CaseSummary {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** What a runner needs to know of a context: whether a case applies. */
export interface CaseContext<Needs> {
  /** Why a case with these needs does not apply; empty when it does. */
  unmet(needs: Needs): readonly string[]
}

/** Runs one case and never throws. */
export async function runCase<Needs, Context extends CaseContext<Needs>>(
  testCase: ConformanceCase<Context, Needs>,
  context: Context,
): Promise<CaseResult> {
  const { name, group } = testCase
  try {
    const reasons = context.unmet(testCase.needs)
    if (reasons.length > 0) return { name, group, status: 'skipped', reasons }
    await testCase.run(context)
    return { name, group, status: 'passed' }
  } catch (error) {
    if (error instanceof SkipCase) {
      return { name, group, status: 'skipped', reasons: [error.message] }
    }
    return { name, group, status: 'failed', error }
  }
}

/** How to run many. */
export interface RunOptions {
  /** Whether to stop at the first failure. Defaults to `false`. */
  readonly bail?: boolean
}

/**
 * Runs cases one after the other.
 *
 * @param report Called after each case; nothing is printed otherwise.
 * @returns how many passed, failed and were skipped
 */
export async function runCases<Needs, Context extends CaseContext<Needs>>(
  cases: readonly ConformanceCase<Context, Needs>[],
  context: Context,
  report: (result: CaseResult) => void = () => undefined,
  { bail = false }: RunOptions = {},
): Promise<CaseSummary> {
  const summary = { passed: 0, failed: 0, skipped: 0 }
  for (const testCase of cases) {
    const result = await runCase(testCase, context)
    summary[result.status]++
    report(result)
    if (bail && result.status === 'failed') break
  }
  return summary
}
