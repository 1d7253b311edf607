/** Why a file is no result. */
export type ResultErrorCode =
  /** Not JSON, or not the form of a result. */
  | 'ERR_VATTENTION_RESULT_INVALID'
  /** Of a schema version that this reader does not know. */
  | 'ERR_VATTENTION_RESULT_VERSION'
  /** Two results that cannot be compared. */
  | 'ERR_VATTENTION_RESULT_MISMATCH'

/** A result that cannot be read, written or compared, with all reasons. */
export class ResultError extends Error {
  override readonly name = 'ResultError'

  constructor(
    readonly code: ResultErrorCode,
    /** The file, or what stands for it. */
    readonly source: string,
    readonly reasons: readonly string[],
  ) {
    super(`${source}: ${reasons.join('; ')}`)
  }
}
