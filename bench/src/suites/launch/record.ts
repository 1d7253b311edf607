import { ratio, summarize } from '../../harness/index.ts'
import type { Metric } from '../../result/index.ts'
import type { SuiteContext } from '../../suite/index.ts'
import type { LaunchTimes } from '../native/launch-program.ts'
import { allocation, pages, raw } from './tasks.ts'

/** Records what launches of one backend took, and the speed of ours over upstream's and over pages. */
export function recordLaunch(
  { recorder, random }: Pick<SuiteContext, 'recorder' | 'random'>,
  { case: task, backend, kernel, layers, launches, maxDifference, milliseconds }: LaunchTimes,
): void {
  const parameters = { task, backend, kernel }
  const ms = (subject: string) => (milliseconds[subject] ?? []).map((all) => all / launches)
  const subjects = Object.keys(milliseconds)
  for (const subject of subjects) {
    recorder.add({
      name: `${backend}, ${task}: ${subject}`,
      parameters: { ...parameters, subject, layers },
      metrics: { ms: summarize(ms(subject), random), launchesCount: launches },
      samples: { ms: ms(subject) },
    })
  }
  const compare = (of: string | undefined, over: string, more: Record<string, Metric> = {}) => {
    if (of === undefined || !subjects.includes(of) || !subjects.includes(over)) return
    recorder.add({
      name: `${backend}, ${task}: ${of} / ${over}`,
      parameters: { of, over, ...parameters },
      metrics: { speedRatio: ratio(ms(over), ms(of), random), ...more },
    })
  }
  // What is not upstream's and comes first: in one allocation, or in blocks.
  const ours = subjects.find((subject) => subject !== raw)
  compare(ours, raw, { differenceShare: maxDifference })
  compare(pages, allocation)
}
