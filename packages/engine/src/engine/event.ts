/** What the engine did, structured. Nothing is ever printed. */
import type { StepResult } from '@vattention/interface'

import type { FinishReason } from './generation.ts'

/** One event. `id` names the request. */
export type EngineEvent =
  /** A request's prompt is tokenized; it waits. */
  | { readonly kind: 'queued'; readonly id: string; readonly promptTokens: number }
  /** A request got a sequence; `cachedTokens` of it are shared instead of computed. */
  | {
      readonly kind: 'admitted'
      readonly id: string
      readonly tokens: number
      readonly cachedTokens: number
      /** It had a sequence before and was set back. */
      readonly again: boolean
    }
  /** A request waits for a running one with the same beginning, to share `tokens` tokens with it. */
  | { readonly kind: 'held'; readonly id: string; readonly behind: string; readonly tokens: number }
  /** A running request was set back: to make room, or for one of higher priority. */
  | {
      readonly kind: 'preempted'
      readonly id: string
      readonly computedTokens: number
      readonly reason: 'memory' | 'priority'
    }
  | { readonly kind: 'firstToken'; readonly id: string; readonly afterMs: number }
  | {
      readonly kind: 'finished'
      readonly id: string
      readonly reason: FinishReason
      readonly completionTokens: number
      readonly totalMs: number
    }
  /** A request ended with an error; that of an abort is the signal's reason. */
  | { readonly kind: 'failed'; readonly id: string; readonly error: unknown }
  /** `step` lacked memory. */
  | ({ readonly kind: 'outOfMemory' } & Omit<OutOfMemory, 'status'>)
  | PassEvent

type OutOfMemory = Extract<StepResult, { status: 'outOfMemory' }>

/** A forward pass ended. */
export interface PassEvent {
  readonly kind: 'pass'
  /** Passes of this engine before it. */
  readonly index: number
  readonly sequences: number
  /** Tokens of prompts (or of what is computed again) in it. */
  readonly prefillTokens: number
  /** Tokens of answers in it. */
  readonly decodeTokens: number
  readonly running: number
  readonly waiting: number
  /** Choosing rows and `step`, before the pass. */
  readonly planMs: number
  /** The pass itself. */
  readonly forwardMs: number
  /** Of the pass, where the runner says so. */
  readonly attentionMs: number
  readonly matmulMs: number
  readonly samplingMs: number
  /** What `step` did for it, itself. */
  readonly mappedBytes: number
  readonly driverCalls: number
}
