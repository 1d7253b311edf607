/** Whether combinations agree. */
import type { Answer, Served } from './serve.ts'

/** A combination's answers under its name. */
export interface NamedAnswers extends Pick<Served, 'answers'> {
  readonly name: string
}

/** Every answer that differs from the first combination's, in words. */
export function differences(served: readonly NamedAnswers[]): string[] {
  const [first, ...others] = served
  if (!first) return []
  return others.flatMap(({ name, answers }) =>
    answers.flatMap((answer, request) => {
      const at = firstDifference(first.answers[request]!, answer)
      if (at === undefined) return []
      return `request ${request}: token ${at} from ${name} differs from that of ${first.name}`
    }),
  )
}

/** The closest of all greedy choices. */
export function smallestMargin(served: readonly NamedAnswers[]): number {
  return Math.min(...served.flatMap(({ answers }) => answers.map(({ margin }) => margin)))
}

function firstDifference(a: Answer, b: Answer): number | undefined {
  const longest = Math.max(a.tokens.length, b.tokens.length)
  for (let i = 0; i < longest; i++) if (a.tokens[i] !== b.tokens[i]) return i
  return undefined
}
