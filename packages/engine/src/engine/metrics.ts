/** Counters and histograms of an engine since it was made. */
import type { CacheStats } from '@vattention/interface'

import type { EngineEvent } from './event.ts'
import type { FinishReason } from './generation.ts'
import { Histogram, type HistogramSnapshot } from './histogram.ts'

/** An engine's numbers now. */
export interface EngineMetrics {
  /** Requests that have a sequence. */
  readonly running: number
  /** Requests that wait for one; those whose text is being tokenized included. */
  readonly waiting: number
  readonly submitted: number
  readonly finished: Readonly<Record<FinishReason, number>>
  /** Requests that ended with an error or were aborted. */
  readonly failed: number
  readonly preemptions: number
  /** Requests held back to share the beginning that another computes. */
  readonly held: number
  /** Prompt tokens of admitted requests, and how many of them were shared instead of computed. */
  readonly promptTokens: number
  readonly cachedTokens: number
  /** Tokens computed that were not new: what preemption cost. */
  readonly recomputedTokens: number
  readonly generatedTokens: number
  readonly passes: number
  /** Times that `step` lacked memory. */
  readonly outOfMemory: number
  /** Passes for which `step` made driver calls itself. */
  readonly passesMappedSync: number
  /** From `generate` to the beginning of the first pass with the request. */
  readonly queuedMs: HistogramSnapshot
  /** From `generate` to the first token. */
  readonly firstTokenMs: HistogramSnapshot
  readonly interTokenMs: HistogramSnapshot
  /** From `generate` to the end, of requests that finished. */
  readonly totalMs: HistogramSnapshot
  /** Forward passes. */
  readonly forwardMs: HistogramSnapshot
  /** Choosing a pass's rows and backing them. */
  readonly planMs: HistogramSnapshot
  /** Bytes that activations and workspaces take. */
  readonly workspaceBytes: number
  /** The cache's own numbers. */
  readonly cache: CacheStats
}

/** Keeps the numbers; fed with the engine's events. */
export class MetricsRecorder {
  readonly queuedMs = new Histogram()
  readonly firstTokenMs = new Histogram()
  readonly interTokenMs = new Histogram()
  submitted = 0
  generatedTokens = 0
  readonly #totalMs = new Histogram()
  readonly #forwardMs = new Histogram()
  readonly #planMs = new Histogram()
  readonly #finished: Record<FinishReason, number> = { stop: 0, length: 0, cancelled: 0 }
  #failed = 0
  #preemptions = 0
  #held = 0
  #promptTokens = 0
  #cachedTokens = 0
  #recomputedTokens = 0
  #passes = 0
  #outOfMemory = 0
  #passesMappedSync = 0

  /** Takes an event in. */
  record(event: EngineEvent): void {
    switch (event.kind) {
      case 'admitted':
        if (event.again) {
          this.#recomputedTokens += event.tokens - event.cachedTokens
        } else {
          this.#promptTokens += event.tokens
          this.#cachedTokens += event.cachedTokens
        }
        break
      case 'held':
        this.#held++
        break
      case 'preempted':
        this.#preemptions++
        break
      case 'firstToken':
        this.firstTokenMs.add(event.afterMs)
        break
      case 'finished':
        this.#finished[event.reason]++
        this.#totalMs.add(event.totalMs)
        break
      case 'failed':
        this.#failed++
        break
      case 'outOfMemory':
        this.#outOfMemory++
        break
      case 'pass':
        this.#passes++
        if (event.driverCalls > 0) this.#passesMappedSync++
        this.#forwardMs.add(event.forwardMs)
        this.#planMs.add(event.planMs)
        break
      case 'queued':
        break
    }
  }

  /** The numbers now. */
  snapshot(
    now: Pick<EngineMetrics, 'running' | 'waiting' | 'workspaceBytes' | 'cache'>,
  ): EngineMetrics {
    return {
      ...now,
      submitted: this.submitted,
      finished: { ...this.#finished },
      failed: this.#failed,
      preemptions: this.#preemptions,
      held: this.#held,
      promptTokens: this.#promptTokens,
      cachedTokens: this.#cachedTokens,
      recomputedTokens: this.#recomputedTokens,
      generatedTokens: this.generatedTokens,
      passes: this.#passes,
      outOfMemory: this.#outOfMemory,
      passesMappedSync: this.#passesMappedSync,
      queuedMs: this.queuedMs.snapshot(),
      firstTokenMs: this.firstTokenMs.snapshot(),
      interTokenMs: this.interTokenMs.snapshot(),
      totalMs: this.#totalMs.snapshot(),
      forwardMs: this.#forwardMs.snapshot(),
      planMs: this.#planMs.snapshot(),
    }
  }
}
