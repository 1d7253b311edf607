import {
  optionReasons,
  positiveInteger,
  required,
  type OptionRule,
  type PlanLimits,
  type Reason,
} from '@vattention/interface'

const most = (limit: number, expected: string): OptionRule => ({
  expected,
  check: (value) => positiveInteger.check(value) && (value as number) <= limit,
})
const count = required(most(2 ** 31 - 1, 'a positive integer below 2^31'))

const rules: Record<keyof PlanLimits, OptionRule> = {
  maxSequences: count,
  maxTokens: count,
  maxLength: required(most(2 ** 30, 'a positive integer up to 2^30')),
  graph: { expected: 'nothing (there are no CUDA graphs on the CPU)', check: () => false },
}

/** Every way in which limits cannot be used. */
export function limitReasons(limits: PlanLimits): Reason[] {
  return optionReasons(limits, rules)
}
