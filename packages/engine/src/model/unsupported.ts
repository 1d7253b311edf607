/** Collects every reason why a model cannot be run, so that a refusal tells all of them. */
import type { Reason } from '@vattention/interface'

import { engineErrors } from '../errors.ts'

/** Reasons found so far. */
export class Refusals {
  readonly #reasons: Reason[] = []

  /** Adds a reason: `what` is the axis, as in `architecture`. */
  add(what: string, found: unknown, expected: string): void {
    this.#reasons.push({
      code: what,
      message: `${what} ${expected} is supported, found ${String(found)}`,
      expected,
      found: String(found),
    })
  }

  /** Adds a reason unless `holds`. */
  unless(holds: boolean, what: string, found: unknown, expected: string): void {
    if (!holds) this.add(what, found, expected)
  }

  /** @throws `ERR_VATTENTION_MODEL_UNSUPPORTED` when there is any reason. */
  throwIfAny(path: string): void {
    if (this.#reasons.length > 0) throw engineErrors.modelUnsupported(path, this.#reasons)
  }
}
