import {
  optionReasons,
  positiveInteger,
  required,
  type GraphLevel,
  type OptionRule,
  type PlanLimits,
  type Reason,
} from '@vattention/interface'

const most = (limit: number, expected: string): OptionRule => ({
  expected,
  check: (value) => positiveInteger.check(value) && (value as number) <= limit,
})
const count = required(most(2 ** 31 - 1, 'a positive integer below 2^31'))

const noGraphs: OptionRule = {
  expected: 'nothing (there are no CUDA graphs on the CPU)',
  check: () => false,
}

/** A graph's batch is one that the plan could be given without a graph. */
const graphWithin = ({ maxSequences, maxTokens, maxLength }: PlanLimits): OptionRule => ({
  expected: `{ sequences: 1 to ${Math.min(maxSequences, maxTokens)}, maxLength: 1 to ${maxLength} }`,
  check: (value) => {
    if (typeof value !== 'object' || value === null) return false
    const { sequences, maxLength: longest, ...others } = value as Record<string, unknown>
    return (
      Object.keys(others).length === 0 &&
      most(Math.min(maxSequences, maxTokens), '').check(sequences) &&
      most(maxLength, '').check(longest)
    )
  },
})

/** Every way in which limits cannot be used by a backend that captures up to `graphLevel`. */
export function limitReasons(limits: PlanLimits, graphLevel: GraphLevel): Reason[] {
  return optionReasons(limits, {
    maxSequences: count,
    maxTokens: count,
    maxLength: required(most(2 ** 30, 'a positive integer up to 2^30')),
    graph: graphLevel === 'never' ? noGraphs : graphWithin(limits),
  } satisfies Record<keyof PlanLimits, OptionRule>)
}
