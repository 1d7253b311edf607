import {
  errors,
  nonNegativeInteger,
  oneOf,
  optionReasons,
  type OptionRule,
} from '@vattention/interface'

/** `vattn_fault_plan`, as addons take it. */
export interface NativeFaults {
  readonly failCall: number
  readonly failCount: number
  readonly failCode: number
  /** `vattn_driver_call` */
  readonly failKind: number
  readonly delayUs: number
}

/** Kinds of driver calls, in the order of `vattn_driver_call`. */
const kinds = [
  'any',
  'reserve',
  'create',
  'map',
  'unmap',
  'release',
  'zero',
  'copy',
  'event',
] as const

/** Makes driver calls of one cache fail or slow, for tests of whatever is built on it. */
export interface FaultPlan {
  /** The nth driver call from now fails, 1 being the next. Defaults to `0`: none. */
  readonly failCall?: number
  /** How many calls in a row fail from there. Defaults to `1`. */
  readonly failCount?: number
  /** The errno to fail with. Defaults to `12`, ENOMEM. */
  readonly errno?: number
  /** Only calls of this kind are counted and fail. Defaults to `'any'`. */
  readonly kind?: (typeof kinds)[number]
  /** Each call that moves memory takes this much longer, in microseconds. Defaults to `0`. */
  readonly delayUs?: number
}

const rules: Record<keyof FaultPlan, OptionRule> = {
  failCall: nonNegativeInteger,
  failCount: nonNegativeInteger,
  errno: nonNegativeInteger,
  kind: oneOf(...kinds),
  delayUs: nonNegativeInteger,
}

/**
 * Checks a plan.
 * @throws `ERR_VATTENTION_INVALID_OPTIONS` with all reasons.
 */
export function toNativeFaults(plan: FaultPlan): NativeFaults {
  const reasons = optionReasons(plan, rules)
  if (reasons.length > 0) throw errors.invalidOptions('A fault plan', reasons)
  return {
    failCall: plan.failCall ?? 0,
    failCount: plan.failCount ?? 0,
    failCode: plan.errno ?? 0,
    failKind: kinds.indexOf(plan.kind ?? 'any'),
    delayUs: plan.delayUs ?? 0,
  }
}
