import { ratio, type Random, type Sample } from '../../harness/index.ts'
import type { MeasuredCase } from '../../result/index.ts'

/** Two subjects that are compared. */
export interface Compared {
  readonly of: string
  readonly over: string
}

/**
 * Speed of one over the other, round by round; undefined when either was not measured.
 *
 * @param about Parameters beside `of` and `over`, and the metric's key (`speedRatio`).
 */
export function ratioCase(
  { of, over }: Compared,
  samples: Readonly<Record<string, readonly Sample[]>>,
  where: string,
  about: { readonly parameters: MeasuredCase['parameters']; readonly metric: string },
  random: Random,
): MeasuredCase | undefined {
  const ms = (name: string) => (samples[name] ?? []).map((one) => one.ms)
  const [above, below] = [ms(over), ms(of)]
  if (above.length === 0 || below.length === 0) return undefined
  return {
    name: `${where}: ${of} / ${over}`,
    parameters: { of, over, ...about.parameters },
    metrics: { [about.metric]: ratio(above, below, random) },
  }
}

/**
 * The same for subjects whose launches do different work: rates are compared instead of times.
 *
 * @param work Of a launch, by name.
 */
export function rateRatioCase(
  { of, over }: Compared,
  samples: Readonly<Record<string, readonly Sample[]>>,
  work: Readonly<Record<string, number>>,
  where: string,
  parameters: MeasuredCase['parameters'],
  random: Random,
): MeasuredCase | undefined {
  const rates = (name: string) => (samples[name] ?? []).map(({ ms }) => work[name]! / ms)
  const [above, below] = [rates(of), rates(over)]
  if (above.length === 0 || below.length === 0) return undefined
  return {
    name: `${where}: ${of} / ${over}`,
    parameters: { of, over, ...parameters },
    metrics: { speedRatio: ratio(above, below, random) },
  }
}
