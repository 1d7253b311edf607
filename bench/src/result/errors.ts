import { defineError, VattentionError } from '@vattention/interface'

/** Reasons that the message tells; `reasons` has all. */
const mostTold = 5

/** A result that cannot be read, written or compared, with all reasons. */
export class ResultError extends VattentionError {
  override readonly name = 'ResultError'

  constructor(
    code: string,
    /** The file, or what stands for it. */
    readonly source: string,
    readonly reasons: readonly string[],
  ) {
    const told = reasons.slice(0, mostTold)
    const more = reasons.length - told.length
    super(code, `${source}: ${told.join('; ')}${more > 0 ? `; and ${more} more` : ''}`)
  }
}

const make = (code: string, source: string, reasons: readonly string[]) =>
  new ResultError(code, source, reasons)

/** The errors of results: each is a `ResultError`. */
export const resultErrors = {
  invalid: defineError(
    'ERR_VATTENTION_RESULT_INVALID',
    'configuration',
    'A file is no result: not JSON, or not as the schema says; `reasons` lists every place. Of a result that was to be written, nothing was.',
    make,
  ),
  version: defineError(
    'ERR_VATTENTION_RESULT_VERSION',
    'configuration',
    'A result of a schema version that this reader does not know. Measure again, or read it with the version of the suite that wrote it.',
    make,
  ),
  mismatch: defineError(
    'ERR_VATTENTION_RESULT_MISMATCH',
    'configuration',
    'Two results that cannot be compared: they have no suite and device in common.',
    make,
  ),
} as const
