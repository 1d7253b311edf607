/**
 * A *trace* says which requests came to a serving system, and when: numbers of tokens, never text.
 * Where the system told it, *block hashes* say which prompts began alike.
 */

/** Where a trace's rows come from. */
export type TraceFormat = 'azure' | 'arxiv' | 'mooncake' | 'generated'

/** One request. */
export interface TraceRequest {
  /** Seconds after the trace's first request; absent where the trace has no arrivals. */
  readonly arrivalSeconds?: number
  /** Tokens of the prompt, at least 1. */
  readonly promptTokens: number
  /** Tokens that were generated, at least 1. */
  readonly outputTokens: number
  /**
   * One id for each `blockTokens` tokens of the prompt, the last block usually partial:
   * `[ceil(promptTokens / blockTokens)]`. An id stands for its block and everything before it, so
   * equal ids imply equal beginnings.
   */
  readonly blockHashes?: readonly number[]
}

/** What the rows were read from or made by: enough to get them again. */
export type TraceSource =
  | {
      readonly kind: 'file'
      /** As the user named it. */
      readonly file: string
      /** Of the file's bytes, compressed where the file is, in hexadecimal. */
      readonly sha256: string
    }
  | {
      readonly kind: 'generated'
      /** Name of the profile whose statistics it has. */
      readonly profile: string
      readonly seed: number
    }

/** Requests in the order in which they came. */
export interface Trace {
  readonly format: TraceFormat
  readonly source: TraceSource
  readonly requests: readonly TraceRequest[]
  /** Tokens that one block hash stands for; absent where there are no hashes. */
  readonly blockTokens?: number
}
