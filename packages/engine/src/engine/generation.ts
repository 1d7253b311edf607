/** One request as its caller sees it: parts as they come, and the result. */
import { engineErrors } from '../errors.ts'

/** A token that could have been chosen. */
export interface TokenCandidate {
  readonly token: number
  /** Natural log of its probability under the unmodified logits. */
  readonly logprob: number
}

/** What is known about a token that was chosen. */
export interface TokenLogprobs extends TokenCandidate {
  /** Difference between the two largest logits: how close a greedy choice was. */
  readonly margin: number
  /** The most likely tokens, as many as `logprobs` asked for, most likely first. */
  readonly top: readonly TokenCandidate[]
}

/** Why an answer ended. */
export type FinishReason =
  /** The model ended it, or a stop string or stop token was met. */
  | 'stop'
  /** `maxTokens`, or the longest sequence that the engine serves. */
  | 'length'
  /** `cancel()` was called, or whoever iterated stopped. */
  | 'cancelled'

/** A piece of an answer: one token, or several when the consumer is slower than the engine. */
export interface GenerationPart {
  /** Empty while a character or a possible stop string is incomplete. */
  readonly text: string
  readonly tokens: readonly number[]
  /** One for each token, if the request asked for `logprobs`. */
  readonly logprobs?: readonly TokenLogprobs[]
  /** In the last part. */
  readonly finishReason?: FinishReason
}

/** A whole answer. */
export interface GenerationResult {
  readonly id: string
  /** Without the stop string. Empty if the model has no tokenizer. */
  readonly text: string
  /** All tokens drawn, a stop token included. */
  readonly tokens: Uint32Array
  readonly finishReason: FinishReason
  /** The stop string or stop token that was met. */
  readonly stop?: string | number
  /** One for each token, if the request asked for `logprobs`. */
  readonly logprobs?: readonly TokenLogprobs[]
  /** The seed that was used. */
  readonly seed: number
  readonly usage: GenerationUsage
  readonly timings: GenerationTimings
}

/** What an answer took. */
export interface GenerationUsage {
  readonly promptTokens: number
  /** Of the prompt: shared with earlier requests instead of computed. */
  readonly cachedTokens: number
  readonly completionTokens: number
  /** Times it was set back to make room for others. */
  readonly preemptions: number
}

/** When things happened, in milliseconds. */
export interface GenerationTimings {
  /** From `generate` until the first pass that it was part of began. */
  readonly queuedMs: number
  /** From `generate` to the first token. */
  readonly firstTokenMs: number
  /** From `generate` to the end. */
  readonly totalMs: number
  /** Between each token and the one before it. */
  readonly interTokenMs: Float64Array
}

/**
 * A request that runs. Iterate it for parts as they come, or await `result`, or both. Leaving the
 * iteration early cancels the request.
 */
export interface Generation extends AsyncIterable<GenerationPart> {
  readonly id: string
  /**
   * The whole answer. Rejects with the signal's reason when the request was aborted, and with a typed
   * error when it could not be served.
   */
  readonly result: Promise<GenerationResult>
  /** Ends it: iteration ends and `result` resolves with what there is. Idempotent. */
  cancel(): void
}

/** The engine's end of a generation. */
export class GenerationOutput implements Generation {
  readonly id: string
  readonly result: Promise<GenerationResult>
  readonly #onCancel: () => void
  #resolve!: (result: GenerationResult) => void
  #reject!: (reason: unknown) => void
  /** Parts not yet consumed, merged into one. */
  #pending: { text: string; tokens: number[]; logprobs: TokenLogprobs[] } | undefined
  #ended: { finishReason: FinishReason } | { error: unknown } | undefined
  #wake: (() => void) | undefined
  #iterated = false

  constructor(id: string, onCancel: () => void) {
    this.id = id
    this.#onCancel = onCancel
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Whoever only iterates sees the error there; that must not count as an unhandled rejection.
    this.result.catch(() => undefined)
  }

  /** Whether it has ended. */
  get ended(): boolean {
    return this.#ended !== undefined
  }

  cancel(): void {
    if (!this.#ended) this.#onCancel()
  }

  /** Adds a token and the text that it completed. */
  push(text: string, token: number, logprobs: TokenLogprobs | undefined): void {
    if (this.#ended) return
    this.#pending ??= { text: '', tokens: [], logprobs: [] }
    this.#pending.text += text
    this.#pending.tokens.push(token)
    if (logprobs) this.#pending.logprobs.push(logprobs)
    this.#notify()
  }

  /** Ends it well. `rest` is text that was withheld until now. */
  finish(result: GenerationResult, rest: string): void {
    if (this.#ended) return
    if (rest) {
      this.#pending ??= { text: '', tokens: [], logprobs: [] }
      this.#pending.text += rest
    }
    this.#ended = { finishReason: result.finishReason }
    this.#resolve(result)
    this.#notify()
  }

  /** Ends it with an error. */
  fail(error: unknown): void {
    if (this.#ended) return
    this.#ended = { error }
    this.#reject(error)
    this.#notify()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<GenerationPart, void, undefined> {
    if (this.#iterated) throw engineErrors.streamTaken()
    this.#iterated = true
    try {
      for (;;) {
        while (!this.#pending && !this.#ended) {
          await new Promise<void>((resolve) => (this.#wake = resolve))
        }
        if (this.#ended && 'error' in this.#ended) throw this.#ended.error
        const part = this.#takePart()
        if (part) yield part
        if (part?.finishReason !== undefined) return
      }
    } finally {
      this.cancel()
    }
  }

  #takePart(): GenerationPart {
    const { text, tokens, logprobs } = this.#pending ?? { text: '', tokens: [], logprobs: [] }
    this.#pending = undefined
    return {
      text,
      tokens,
      ...(logprobs.length > 0 ? { logprobs } : {}),
      ...(this.#ended && 'finishReason' in this.#ended ? this.#ended : {}),
    }
  }

  #notify(): void {
    this.#wake?.()
    this.#wake = undefined
  }
}
