import { boolean, nonNegativeInteger, type OptionRule } from '@vattention/interface'

import { checkOptions } from '../../../native/node/cache-arguments.ts'

/** What `trim` gives back. */
export interface TrimOptions {
  /** Bytes of free and parked pages that may stay. Defaults to `0`. */
  readonly keepBytes?: number
  /** Whether prefixes that no sequence uses go too. Defaults to `false`. */
  readonly prefixes?: boolean
}

const rules: Record<keyof TrimOptions, OptionRule> = {
  keepBytes: nonNegativeInteger,
  prefixes: boolean,
}

/** @throws `ERR_VATTENTION_INVALID_OPTIONS`, `ERR_VATTENTION_INVALID_ARGUMENT` */
export function checkTrim(options: TrimOptions | undefined): void {
  checkOptions('A trim', options, rules)
}
