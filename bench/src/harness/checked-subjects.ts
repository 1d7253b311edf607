import type { Recorder } from '../suite/recorder.ts'
import type { AttentionPass } from './attention-pass.ts'
import { WrongResult, type Subject } from './subject.ts'

/** A subject that computes attention, and how exactly. */
export interface CheckedSubject {
  readonly subject: Subject
  /** Beside the oracle, as a part of the row's largest number. */
  readonly maxError: number
}

/**
 * Makes subjects and prepares them for one pass. What cannot be made is recorded as skipped, what
 * computes something else as refused.
 *
 * @param makers By name.
 * @param where Before the names: `8192 tokens`.
 * @param options `thorough`: see `Subject.check`. Defaults to `true`.
 */
export async function checkedSubjects(
  makers: ReadonlyMap<string, () => Subject>,
  pass: AttentionPass,
  recorder: Recorder,
  where: string,
  { thorough = true } = {},
): Promise<Map<string, CheckedSubject>> {
  const found = new Map<string, CheckedSubject>()
  for (const [name, make] of makers) {
    let subject: Subject | undefined
    try {
      subject = make()
      subject.prepare(pass)
      found.set(name, { subject, maxError: await subject.check({ thorough }) })
    } catch (error) {
      subject?.[Symbol.dispose]()
      if (error instanceof WrongResult) recorder.refuse(`${where}: ${name}`, error)
      else recorder.skip(`${where}: ${name}`, error)
    }
  }
  return found
}
