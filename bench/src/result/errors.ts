/** Why a file is no result. */
export type ResultErrorCode =
  /** Not JSON, or not the form of a result. */
  | 'ERR_VATTENTION_RESULT_INVALID'
  /** Of a schema version that this reader does not know. */
  | 'ERR_VATTENTION_RESULT_VERSION'
  /** Two results that cannot be compared. */
  | 'ERR_VATTENTION_RESULT_MISMATCH'

/** Reasons that the message tells; `reasons` has all. */
const mostTold = 5

/** A result that cannot be read, written or compared, with all reasons. */
export class ResultError extends Error {
  override readonly name = 'ResultError'

  constructor(
    readonly code: ResultErrorCode,
    /** The file, or what stands for it. */
    readonly source: string,
    readonly reasons: readonly string[],
  ) {
    const told = reasons.slice(0, mostTold)
    const more = reasons.length - told.length
    super(`${source}: ${told.join('; ')}${more > 0 ? `; and ${more} more` : ''}`)
  }
}
