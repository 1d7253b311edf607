/** A request being served: its job, its text, and its caller's end. */
import type { ForwardResult } from '../native.ts'
import type { ModelTokenizer } from '../tokenizer/model-tokenizer.ts'
import type { TextStream } from '../tokenizer/text-stream.ts'
import type { GenerateOptions } from './generate-options.ts'
import {
  GenerationOutput,
  type FinishReason,
  type GenerationResult,
  type TokenLogprobs,
} from './generation.ts'
import type { Job } from './job.ts'
import type { Sampler } from './sampling-options.ts'
import { StopFilter } from './stop-filter.ts'

/** What a request is made of. */
export interface ActiveRequestParts {
  readonly id: string
  readonly order: number
  readonly options: GenerateOptions
  readonly sampler: Sampler
  readonly tokenizer: ModelTokenizer | undefined
  /** Tokens after which the model has nothing more to say. */
  readonly endTokens: ReadonlySet<number>
  readonly onCancel: (request: ActiveRequest) => void
}

/** Why a request ended, and at which stop. */
interface End {
  readonly reason: FinishReason
  readonly stop?: string | number
}

/** A token that was drawn but not yet turned into text. */
interface Drawn {
  readonly token: number
  readonly logprobs: TokenLogprobs | undefined
  /** Ends the answer and has no text in it. */
  readonly silent: boolean
}

/** See the head of this file. */
export class ActiveRequest {
  readonly id: string
  readonly order: number
  readonly options: GenerateOptions
  readonly sampler: Sampler
  readonly output: GenerationOutput
  readonly submittedAt = performance.now()
  /** Once the prompt is tokenized. */
  job: Job | undefined
  /** When the first pass that it is part of began. */
  startedAt: number | undefined
  readonly #endTokens: ReadonlySet<number>
  readonly #stream: TextStream | undefined
  readonly #filter: StopFilter
  readonly #hasStopStrings: boolean
  readonly #drawn: Drawn[] = []
  readonly #logprobs: TokenLogprobs[] = []
  readonly #interTokenMs: number[] = []
  #firstTokenAt: number | undefined
  #lastTokenAt = 0
  #text = ''
  #end: End | undefined

  constructor(parts: ActiveRequestParts) {
    const { id, order, options, sampler, tokenizer } = parts
    this.id = id
    this.order = order
    this.options = options
    this.sampler = sampler
    this.#endTokens = parts.endTokens
    this.#stream = tokenizer?.textStream()
    const stops = [options.stop ?? []].flat() as string[]
    this.#filter = new StopFilter(stops)
    this.#hasStopStrings = stops.length > 0
    this.output = new GenerationOutput(id, () => parts.onCancel(this))
  }

  /** Why it ended, if it has. */
  get finishReason(): FinishReason | undefined {
    return this.#end?.reason
  }

  /** Milliseconds from submission to the first token. */
  get firstTokenMs(): number {
    return this.#firstTokenAt === undefined ? 0 : this.#firstTokenAt - this.submittedAt
  }

  /**
   * Takes the token of row `row` of a pass. Its text is left for `deliver`, unless stop strings have
   * to be looked for now.
   * @returns milliseconds since the token before, `undefined` for the first
   */
  take(result: ForwardResult, row: number, now: number): number | undefined {
    const job = this.job!
    const token = result.tokens[row]!
    job.tokens.push(token)
    const previous = this.#firstTokenAt === undefined ? undefined : this.#lastTokenAt
    this.#firstTokenAt ??= now
    this.#lastTokenAt = now
    if (previous !== undefined) this.#interTokenMs.push(now - previous)

    const { ignoreEos, stopTokens } = this.options
    const silent =
      (!ignoreEos && this.#endTokens.has(token)) || (stopTokens?.includes(token) ?? false)
    if (silent) this.#end = { reason: 'stop', stop: token }
    else if (job.tokens.length >= job.maxLength) this.#end = { reason: 'length' }
    const logprobs = this.sampler.wantsLogprobs ? tokenLogprobs(result, row) : undefined
    this.#drawn.push({ token, logprobs, silent })
    if (this.#hasStopStrings) this.deliver()
    return previous === undefined ? undefined : now - previous
  }

  /** Hands the text of drawn tokens to the caller. */
  deliver(): void {
    for (const { token, logprobs, silent } of this.#drawn.splice(0)) {
      const piece = silent ? '' : (this.#stream?.push(token) ?? '')
      const { text, stop } = this.#filter.push(piece)
      if (stop !== undefined) this.#end = { reason: 'stop', stop }
      if (logprobs) this.#logprobs.push(logprobs)
      this.#text += text
      this.output.push(text, token, logprobs)
    }
  }

  /** Ends it: at its own end, or `cancelled` before. Its text is complete now. */
  finish(): GenerationResult {
    this.deliver()
    const end = this.#end ?? { reason: 'cancelled' }
    const rest = typeof end.stop === 'string' ? '' : this.#rest()
    this.#text += rest
    const result = this.#result(end)
    this.output.finish(result, rest)
    return result
  }

  /** Text that waited for the rest of a character or of a stop string. */
  #rest(): string {
    const { text, stop } = this.#filter.push(this.#stream?.end() ?? '')
    return stop === undefined ? text + this.#filter.end() : text
  }

  #result(end: End): GenerationResult {
    const now = performance.now()
    const { job } = this
    const since = (time: number | undefined) => (time ?? now) - this.submittedAt
    return {
      id: this.id,
      text: this.#text,
      tokens: job ? job.tokens.view(job.promptLength).slice() : new Uint32Array(),
      finishReason: end.reason,
      ...(end.stop === undefined ? {} : { stop: end.stop }),
      ...(this.sampler.wantsLogprobs ? { logprobs: this.#logprobs } : {}),
      seed: this.sampler.seed,
      usage: {
        promptTokens: job?.promptLength ?? 0,
        cachedTokens: job?.cachedTokens ?? 0,
        completionTokens: job?.generated ?? 0,
        preemptions: job?.preemptions ?? 0,
      },
      timings: {
        queuedMs: since(this.startedAt),
        firstTokenMs: since(this.#firstTokenAt),
        totalMs: since(undefined),
        interTokenMs: Float64Array.from(this.#interTokenMs),
      },
    }
  }
}

function tokenLogprobs(result: ForwardResult, row: number): TokenLogprobs {
  const top = result.top[row]
  return {
    token: result.tokens[row]!,
    logprob: result.logprobs[row]!,
    margin: result.margins[row]!,
    top: top ? Array.from(top.tokens, (token, i) => ({ token, logprob: top.logprobs[i]! })) : [],
  }
}
