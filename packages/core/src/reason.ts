import type { Reason } from '@vattention/interface'

/** Why something given cannot be used. */
export function reason(code: string, expected: string, found: string): Reason {
  return { code, message: `${code}: ${expected} required, found ${found}`, expected, found }
}
