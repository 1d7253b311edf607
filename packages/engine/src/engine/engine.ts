/**
 * The engine: requests in, tokens out. One pass is in flight at a time, off the JavaScript thread;
 * between passes JavaScript decides what comes next. While a pass runs, the text of the one before
 * is delivered.
 */
import { errors, type KvCache } from '@vattention/interface'

import { engineAddon } from '../addon.ts'
import { engineErrors } from '../errors.ts'
import type { ForwardResult } from '../native.ts'
import type { ModelTokenizer } from '../tokenizer/model-tokenizer.ts'
import { ActiveRequest } from './active-request.ts'
import {
  checkEngineOptions,
  resolveLimits,
  type EngineOptions,
  type EngineParts,
  type ResolvedLimits,
} from './engine-options.ts'
import type { EngineEvent } from './event.ts'
import { checkGenerateOptions, type GenerateOptions } from './generate-options.ts'
import type { Generation } from './generation.ts'
import { Job } from './job.ts'
import { MetricsRecorder, type EngineMetrics } from './metrics.ts'
import { NativeForwardRunner } from './native-runner.ts'
import type { Pass } from './pass.ts'
import type { ForwardRunner } from './runner.ts'
import { Sampler } from './sampling-options.ts'
import { Scheduler } from './scheduler.ts'
import { runOneToken } from './warm-up.ts'

/** How an engine ends. */
export interface DisposeOptions {
  /** Whether requests are served to their end first. Defaults to `false`: they fail. */
  readonly drain?: boolean
}

/**
 * Continuous batching over a cache and a backend.
 *
 * @example
 * ```ts
 * await using engine = await Engine.create({ model, cache, backend })
 * for await (const { text } of engine.generate({ prompt: 'Once upon a time', maxTokens: 50 })) {
 *   process.stdout.write(text)
 * }
 * ```
 */
export class Engine implements AsyncDisposable {
  readonly #runner: ForwardRunner
  readonly #cache: KvCache
  readonly #name: string
  readonly #tokenizer: ModelTokenizer | undefined
  readonly #endTokens: ReadonlySet<number>
  readonly #vocabularySize: number
  readonly #limits: ResolvedLimits
  readonly #onEvent: ((event: EngineEvent) => void) | undefined
  readonly #metrics = new MetricsRecorder()
  readonly #scheduler: Scheduler
  /** Requests that have not ended. */
  readonly #live = new Set<ActiveRequest>()
  readonly #byJob = new Map<Job, ActiveRequest>()
  /** Ended by their callers; their jobs go before the next pass. */
  readonly #left: Job[] = []
  /** Have tokens whose text was not delivered, or have ended and wait to be told. */
  readonly #undelivered = new Set<ActiveRequest>()
  #order = 0
  #passes = 0
  #wake: (() => void) | undefined
  #idleWaiters: (() => void)[] = []
  #state: 'serving' | 'draining' | 'stopping' = 'serving'
  #disposed: Promise<void> | undefined
  #broken: Error | undefined
  readonly #loop: Promise<void>

  /**
   * Makes an engine and runs one token through it, so that what cannot work fails here.
   *
   * @throws `ERR_VATTENTION_INVALID_OPTIONS`; `ERR_VATTENTION_ENGINE_UNSUPPORTED` with everything
   * that does not fit; `ERR_VATTENTION_REQUEST_TOO_LARGE` when not even one token has room.
   */
  static async create(options: EngineOptions): Promise<Engine> {
    checkEngineOptions(options)
    const { model, cache, backend, threads, ...limits } = options
    if (model.disposed) throw errors.disposed('The model')
    const { description, tokenizer } = model
    const { maxSequences, maxBatchTokens, maxLength } = resolveLimits(
      limits,
      cache,
      description.contextLength,
    )
    const runner = new NativeForwardRunner({
      model,
      cache,
      backend,
      threads: threads ?? engineAddon().probe().cores,
      maxSequences,
      maxTokens: maxBatchTokens,
      maxLength,
    })
    try {
      await runOneToken(runner, cache)
    } catch (error) {
      runner.dispose()
      throw error
    }
    return new Engine({
      ...limits,
      runner,
      cache,
      name: model.name,
      contextLength: description.contextLength,
      vocabularySize: description.config.vocabularySize,
      ...(description.window === undefined ? {} : { window: description.window }),
      ...(tokenizer ? { tokenizer } : {}),
    })
  }

  /** An engine over a runner of one's own; `create` is the usual way. It disposes the runner. */
  constructor(parts: EngineParts) {
    this.#runner = parts.runner
    this.#cache = parts.cache
    this.#name = parts.name
    this.#tokenizer = parts.tokenizer
    this.#endTokens = new Set(parts.endTokens ?? parts.tokenizer?.endTokens)
    this.#vocabularySize = parts.vocabularySize
    this.#onEvent = parts.onEvent
    this.#limits = resolveLimits(parts, parts.cache, parts.contextLength)
    this.#scheduler = new Scheduler({
      cache: parts.cache,
      ...this.#limits,
      window: parts.window,
      emit: (event) => this.#emit(event),
      onFail: (job, error) => {
        const request = this.#byJob.get(job)
        if (request) this.#fail(request, error)
      },
    })
    this.#loop = this.#run()
  }

  /** Most tokens of prompt and answer together. */
  get maxLength(): number {
    return this.#limits.maxLength
  }

  /**
   * Serves a request. It begins at once; iterate the generation, or await its result.
   *
   * @throws `ERR_VATTENTION_INVALID_OPTIONS`, `ERR_VATTENTION_NO_TOKENIZER`,
   * `ERR_VATTENTION_QUEUE_FULL`, `ERR_VATTENTION_DISPOSED`. What is found later rejects `result`:
   * `ERR_VATTENTION_REQUEST_TOO_LONG`, `ERR_VATTENTION_REQUEST_TOO_LARGE`,
   * `ERR_VATTENTION_CHAT_TEMPLATE`, `ERR_VATTENTION_FORWARD`.
   */
  generate(options: GenerateOptions): Generation {
    if (this.#broken) throw this.#broken
    if (this.#state !== 'serving') throw errors.disposed('The engine')
    checkGenerateOptions(options, this.#vocabularySize, this.#tokenizer !== undefined)
    if (!options.tokens && !this.#tokenizer) throw engineErrors.noTokenizer(this.#name)
    const { maxSequences, maxWaiting } = this.#limits
    if (this.#live.size >= maxSequences + maxWaiting) throw engineErrors.queueFull(maxWaiting)
    const order = this.#order++
    const request = new ActiveRequest({
      id: options.id ?? String(order),
      order,
      options,
      sampler: new Sampler(options),
      tokenizer: this.#tokenizer,
      endTokens: this.#endTokens,
      onCancel: (cancelled) => this.#finish(cancelled),
    })
    this.#metrics.submitted++
    this.#live.add(request)
    void this.#start(request)
    return request.output
  }

  /** Resolves once nothing runs, waits or is to be delivered, and all sequences are freed. */
  async idle(): Promise<void> {
    while (this.#busy()) {
      await new Promise<void>((resolve) => this.#idleWaiters.push(resolve))
    }
  }

  /** The engine's numbers now. */
  metrics(): EngineMetrics {
    return this.#metrics.snapshot({
      running: this.#scheduler.running.length,
      waiting: this.#waiting(),
      workspaceBytes: this.#runner.workspaceBytes,
      cache: this.#cache.stats(),
    })
  }

  /**
   * Ends the engine: requests fail (or, with `drain`, are served to their end), a pass in flight is
   * waited for, all sequences are freed. Model, cache and backend stay their owner's. Idempotent.
   */
  dispose({ drain = false }: DisposeOptions = {}): Promise<void> {
    if (this.#state === 'serving') this.#state = 'draining'
    if (!drain) for (const request of this.#live) this.#fail(request, errors.disposed('The engine'))
    this.#disposed ??= this.#shutDown()
    return this.#disposed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  async #shutDown(): Promise<void> {
    await this.idle()
    this.#state = 'stopping'
    this.#wakeUp()
    await this.#loop
    this.#runner.dispose()
  }

  /** Tokenizes a request and hands it to the scheduler. */
  async #start(request: ActiveRequest): Promise<void> {
    const { signal } = request.options
    if (signal) {
      const abort = () => this.#fail(request, signal.reason)
      if (signal.aborted) {
        abort()
        return
      }
      signal.addEventListener('abort', abort, { once: true })
      void request.output.result
        .catch(() => undefined)
        .then(() => signal.removeEventListener('abort', abort))
    }
    try {
      const prompt = await this.#encode(request.options)
      if (!this.#live.has(request)) return
      const job = this.#makeJob(request, prompt)
      request.job = job
      this.#byJob.set(job, request)
      this.#emit({ kind: 'queued', id: request.id, promptTokens: prompt.length })
      this.#scheduler.submit(job)
      this.#wakeUp()
    } catch (error) {
      this.#fail(request, error)
    }
  }

  async #encode(options: GenerateOptions): Promise<Uint32Array> {
    const { prompt, messages, tokens, chat, signal } = options
    if (tokens) return Uint32Array.from(tokens)
    const withSignal = signal ? { signal } : {}
    return messages
      ? this.#tokenizer!.encodeChatAsync(messages, { ...chat, ...withSignal })
      : this.#tokenizer!.encodeAsync(prompt!, withSignal)
  }

  #makeJob({ id, order, options, sampler }: ActiveRequest, prompt: Uint32Array): Job {
    const limit = this.#limits.maxLength
    const { maxTokens } = options
    if (prompt.length === 0) {
      throw errors.invalidArgument('prompt', 'at least one token', 'none')
    }
    const needed = prompt.length + (maxTokens ?? 1)
    if (needed > limit) {
      const what = `${prompt.length} of the prompt and ${maxTokens ?? 'at least 1'} of the answer`
      throw engineErrors.requestTooLong(needed, limit, what)
    }
    const maxLength = maxTokens === undefined ? limit : needed
    return new Job({ id, order, prompt, options, sampler, maxLength })
  }

  async #run(): Promise<void> {
    try {
      while (this.#state !== 'stopping') {
        this.#dropLeft()
        if (!this.#scheduler.hasWork) {
          this.#deliver()
          this.#tellIdle()
          await this.#sleep()
          continue
        }
        const planStart = performance.now()
        const pass = await this.#scheduler.plan()
        if (pass) await this.#compute(pass, performance.now() - planStart)
        else await this.#retryLater()
      }
    } catch (cause) {
      this.#break(cause)
    }
  }

  async #compute(pass: Pass, planMs: number): Promise<void> {
    const startedAt = performance.now()
    this.#noteStart(pass, startedAt)
    const forward = this.#forward(pass)
    this.#deliver() // what the pass before brought, while this one runs
    let result: ForwardResult
    try {
      result = await forward
    } catch (cause) {
      const error = engineErrors.forwardFailed(String((cause as Error)?.message ?? cause), {
        cause,
      })
      for (const { job } of pass.rows) {
        const request = this.#byJob.get(job)
        if (request) this.#fail(request, error)
      }
      return
    }
    this.#recordPass(pass, result, planMs, performance.now() - startedAt)
    this.#scheduler.complete(pass)
    this.#takeTokens(pass, result)
  }

  #noteStart(pass: Pass, now: number): void {
    for (const { job } of pass.rows) {
      const request = this.#byJob.get(job)
      if (!request || request.startedAt !== undefined) continue
      request.startedAt = now
      this.#metrics.queuedMs.add(now - request.submittedAt)
    }
  }

  /** A runner that throws instead of rejecting must not end the loop. */
  async #forward(pass: Pass): Promise<ForwardResult> {
    return this.#runner.forward(pass.batch())
  }

  #takeTokens(pass: Pass, result: ForwardResult): void {
    const now = performance.now()
    let row = 0
    for (const { job, draws } of pass.rows) {
      if (!draws) continue
      const index = row++
      const request = this.#byJob.get(job)
      if (!request || !this.#live.has(request)) continue // its caller left meanwhile
      const interTokenMs = request.take(result, index, now)
      this.#metrics.generatedTokens++
      if (interTokenMs !== undefined) this.#metrics.interTokenMs.add(interTokenMs)
      else this.#emit({ kind: 'firstToken', id: request.id, afterMs: request.firstTokenMs })
      this.#undelivered.add(request)
      // Its memory is free for the next pass; its caller hears of it while that runs.
      if (request.finishReason !== undefined) this.#scheduler.end(job)
    }
  }

  /** Hands text to callers, and results to those whose request ended. */
  #deliver(): void {
    for (const request of this.#undelivered) {
      if (!this.#live.has(request)) continue
      if (request.finishReason === undefined) request.deliver()
      else this.#finish(request)
    }
    this.#undelivered.clear()
  }

  /** Ends a request with what there is. */
  #finish(request: ActiveRequest): void {
    if (!this.#forget(request)) return
    const { finishReason, usage, timings } = request.finish()
    this.#emit({
      kind: 'finished',
      id: request.id,
      reason: finishReason,
      completionTokens: usage.completionTokens,
      totalMs: timings.totalMs,
    })
  }

  /** Ends a request with an error. */
  #fail(request: ActiveRequest, error: unknown): void {
    if (!this.#forget(request)) return
    request.output.fail(error)
    this.#emit({ kind: 'failed', id: request.id, error })
  }

  /** Whether the request was live. Its job, if it still has one, goes before the next pass. */
  #forget(request: ActiveRequest): boolean {
    if (!this.#live.delete(request)) return false
    if (request.job) {
      this.#left.push(request.job)
      this.#byJob.delete(request.job)
    }
    this.#wakeUp()
    return true
  }

  #dropLeft(): void {
    for (const job of this.#left.splice(0)) if (job.state !== 'ended') this.#scheduler.end(job)
  }

  #recordPass(pass: Pass, { timings }: ForwardResult, planMs: number, forwardMs: number): void {
    let prefillTokens = 0
    let decodeTokens = 0
    for (const { job, count } of pass.rows) {
      if (count === 1 && job.generated > 0) decodeTokens++
      else prefillTokens += count
    }
    this.#emit({
      kind: 'pass',
      index: this.#passes++,
      sequences: pass.rows.length,
      prefillTokens,
      decodeTokens,
      running: this.#scheduler.running.length,
      waiting: this.#waiting(),
      planMs,
      forwardMs,
      attentionMs: timings.attentionNs / 1e6,
      matmulMs: timings.matmulNs / 1e6,
      samplingMs: timings.samplingNs / 1e6,
      mappedBytes: this.#scheduler.mappedBytes,
      driverCalls: this.#scheduler.driverCalls,
    })
  }

  #waiting(): number {
    let tokenizing = 0
    for (const request of this.#live) if (!request.job) tokenizing++
    return this.#scheduler.waiting.length + tokenizing
  }

  #busy(): boolean {
    return this.#live.size > 0 || this.#left.length > 0 || this.#scheduler.hasWork
  }

  #tellIdle(): void {
    if (this.#busy()) return
    for (const resolve of this.#idleWaiters.splice(0)) resolve()
  }

  async #sleep(): Promise<void> {
    if (this.#left.length > 0 || this.#scheduler.hasWork || this.#state === 'stopping') return
    await new Promise<void>((resolve) => (this.#wake = resolve))
  }

  /** Nothing can be computed until fences pass or others free memory. */
  async #retryLater(): Promise<void> {
    this.#deliver()
    await new Promise((resume) => setTimeout(resume, 1))
  }

  #wakeUp(): void {
    this.#wake?.()
    this.#wake = undefined
  }

  #emit(event: EngineEvent): void {
    this.#metrics.record(event)
    if (!this.#onEvent) return
    try {
      this.#onEvent(event)
    } catch (error) {
      // The listener's bug must neither stop the engine nor disappear.
      process.nextTick(() => {
        throw error
      })
    }
  }

  /** A bug of ours: nothing more can be served. */
  #break(cause: unknown): void {
    this.#state = 'stopping'
    const message = cause instanceof Error ? cause.message : String(cause)
    const error = Object.assign(errors.internal(`The engine's loop ended: ${message}`), { cause })
    this.#broken = error
    for (const request of this.#live) this.#fail(request, error)
    for (const job of this.#left.splice(0)) this.#scheduler.abandon(job)
    this.#tellIdle()
  }
}
