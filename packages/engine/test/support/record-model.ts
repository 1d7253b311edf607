/**
 * A language model over a `RecordCache`: the next token is a hash of all tokens that it reads back
 * from the cache. A sequence with wrong, missing or foreign rows therefore continues wrongly.
 */
import type { ForwardRunner } from '../../src/engine/runner.ts'
import type { ForwardBatch, ForwardResult, RowSampling } from '../../src/native.ts'
import type { RecordCache } from './record-cache.ts'

/** Chooses the token after `history`. */
export type NextToken = (history: readonly number[], sampling: RowSampling) => number

/** Hash of a text of tokens, as a token. */
export function hashToken(history: readonly number[], salt: number, vocabularySize: number) {
  let hash = 0x811c9dc5 ^ salt
  for (const token of history) hash = Math.imul(hash ^ token, 0x01000193) ^ (hash >>> 15)
  return (hash >>> 0) % vocabularySize
}

/** What the model answers to `prompt`, computed plainly. */
export function expectedAnswer(prompt: readonly number[], tokens: number, vocabularySize = 1000) {
  const history = [...prompt]
  for (let i = 0; i < tokens; i++) history.push(hashToken(history, 0, vocabularySize))
  return history.slice(prompt.length)
}

export class RecordModel implements ForwardRunner {
  readonly workspaceBytes = 0
  readonly batches: ForwardBatch[] = []
  disposed = false
  /** Rejects the next pass, once. */
  nextError: Error | undefined
  /** Called while a pass is in flight. */
  onForward: ((batch: ForwardBatch) => void | Promise<void>) | undefined
  readonly #cache: RecordCache
  readonly #next: NextToken
  #busy = false

  constructor(cache: RecordCache, vocabularySize = 1000, next?: NextToken) {
    this.#cache = cache
    this.#next =
      next ??
      ((history, { temperature, seed, step }) =>
        hashToken(history, temperature > 0 ? Math.imul(seed + 1, step + 1) : 0, vocabularySize))
  }

  async forward(batch: ForwardBatch): Promise<ForwardResult> {
    if (this.#busy) throw new Error('a second pass began before the first ended')
    this.#busy = true
    this.batches.push(batch)
    try {
      await new Promise((resume) => setImmediate(resume))
      await this.onForward?.(batch)
      const error = this.nextError
      this.nextError = undefined
      if (error) throw error
      return this.#compute(batch)
    } finally {
      this.#busy = false
    }
  }

  dispose(): void {
    if (this.#busy) throw new Error('disposed while a pass was in flight')
    this.disposed = true
  }

  #compute({ sequences, queryLengths, kvLengths, tokens, logitRows, sampling }: ForwardBatch) {
    const drawn: number[] = []
    let row = 0
    for (const [i, sequence] of sequences.entries()) {
      const start = kvLengths[i]! - queryLengths[i]!
      for (let q = 0; q < queryLengths[i]!; q++, row++) {
        this.#cache.write(sequence, start + q, tokens[row]!)
        if (logitRows[drawn.length] !== row) continue
        const history = this.#cache.read(sequence, start + q + 1)
        drawn.push(this.#next(history, sampling[drawn.length]!))
      }
    }
    return {
      tokens: Int32Array.from(drawn),
      logprobs: Float32Array.from(drawn, () => -1),
      margins: Float32Array.from(drawn, () => 1),
      top: sampling.map(({ topLogprobs }) => ({
        tokens: Int32Array.from({ length: topLogprobs }, (_, i) => i),
        logprobs: Float32Array.from({ length: topLogprobs }, (_, i) => -1 - i),
      })),
      timings: { totalNs: 0, attentionNs: 0, matmulNs: 0, samplingNs: 0 },
    }
  }
}
