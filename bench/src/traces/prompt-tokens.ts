/**
 * Tokens for prompts of which a trace knows only the number.
 *
 * With block hashes, each block is filled from random numbers seeded by its hash and cut to the
 * prompt's length: equal hashes give equal tokens, so any prefix cache works on them unmodified.
 * Without, every row has random tokens of its own, and nothing is shared.
 */
import { traceErrors } from './errors.ts'
import { randomOf } from '../harness/random.ts'
import type { Trace } from './trace.ts'

/** Which tokens to draw from. */
export interface PromptTokensOptions {
  /** Least token id that may come: above the special tokens of the vocabulary. Defaults to `0`. */
  readonly firstToken?: number
  /** Tokens of the vocabulary: ids stay below. */
  readonly vocabularySize: number
  /**
   * A whole number from 0 to 2^31 - 1. Two runs with one seed have the same prompts: the second finds
   * those of the first in a prefix cache that was not emptied. Defaults to `0`.
   */
  readonly seed?: number
}

/**
 * The prompt of row `row`, uniform tokens of `firstToken..vocabularySize - 1`: `[promptTokens]`.
 *
 * @param trace As read, generated or scaled.
 * @param row From 0.
 * @throws `ERR_VATTENTION_TRACE_SCALE` for a row that the trace does not have and for options out of
 * range.
 */
export function promptTokensOf(
  trace: Trace,
  row: number,
  options: PromptTokensOptions,
): Uint32Array {
  const { firstToken = 0, vocabularySize, seed = 0 } = options
  const request = trace.requests[row]
  if (request === undefined) {
    throw traceErrors.scale(`The trace has ${trace.requests.length} rows; there is no row ${row}.`)
  }
  const isInteger = (value: number, least: number, most: number) =>
    Number.isSafeInteger(value) && value >= least && value <= most
  if (
    !isInteger(vocabularySize, 1, 2 ** 32) ||
    !isInteger(firstToken, 0, vocabularySize - 1) ||
    !isInteger(seed, 0, 2 ** 31 - 1)
  ) {
    throw traceErrors.scale(
      'Tokens need a vocabularySize of 1 to 2^32, a firstToken below it and a seed of 0 to 2^31 - 1; ' +
        `found ${vocabularySize}, ${firstToken} and ${seed}.`,
    )
  }
  const tokens = new Uint32Array(request.promptTokens)
  // Rows and blocks are numbered apart: neither may repeat the other's tokens.
  const [ofBlocks, ofRows] = [2 * seed, 2 * seed + 1]
  const fill = (part: Uint32Array, from: number, stream: number) => {
    const random = randomOf(from, stream)
    for (let i = 0; i < part.length; i++) part[i] = random.integer(firstToken, vocabularySize - 1)
  }
  const { blockHashes } = request
  const { blockTokens } = trace
  if (blockHashes === undefined || blockTokens === undefined) {
    fill(tokens, ofRows, row)
  } else {
    blockHashes.forEach((hash, block) => {
      fill(tokens.subarray(block * blockTokens, (block + 1) * blockTokens), ofBlocks, hash)
    })
  }
  return tokens
}
