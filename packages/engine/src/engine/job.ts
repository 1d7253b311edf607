/** A request inside the engine: its tokens, how many of them are in the cache, and what it wants. */
import type { Sequence } from '@vattention/interface'

import type { GenerateOptions } from './generate-options.ts'
import type { Sampler } from './sampling-options.ts'
import { TokenBuffer } from './token-buffer.ts'

/** Where a job is. */
export type JobState = 'waiting' | 'running' | 'ended'

/** What a job is made of. */
export interface JobParts {
  readonly id: string
  /** Arrival: lower came earlier. */
  readonly order: number
  readonly prompt: Uint32Array
  readonly options: GenerateOptions
  readonly sampler: Sampler
  /** Most tokens of prompt and answer together. */
  readonly maxLength: number
}

/** One request, as the scheduler sees it. */
export class Job {
  readonly id: string
  readonly order: number
  readonly priority: number
  readonly salt: string
  readonly promptLength: number
  readonly maxLength: number
  readonly sampler: Sampler
  /** Prompt and answer so far. */
  readonly tokens: TokenBuffer
  state: JobState = 'waiting'
  /** While running. */
  sequence: Sequence | undefined
  /** Tokens whose keys and values are in the cache. */
  computed = 0
  /** Tokens that the prefix index was told of. */
  published = 0
  /** Tokens that `step` has backed. */
  backed = 0
  /** First token that a sliding window still sees. */
  firstKept = 0
  /** Of the prompt: shared rather than computed, when it was first admitted. */
  cachedTokens = 0
  preemptions = 0
  /** It waits until this other job has published so many tokens. */
  heldBy: { readonly job: Job; readonly published: number } | undefined

  constructor({ id, order, prompt, options, sampler, maxLength }: JobParts) {
    this.id = id
    this.order = order
    this.priority = options.priority ?? 0
    this.salt = options.salt ?? ''
    this.promptLength = prompt.length
    this.maxLength = maxLength
    this.sampler = sampler
    this.tokens = new TokenBuffer(prompt)
  }

  /** Tokens of the answer. */
  get generated(): number {
    return this.tokens.length - this.promptLength
  }

  /** Known tokens that are not in the cache: 1 while decoding. */
  get missing(): number {
    return this.tokens.length - this.computed
  }

  /** Its sequence is gone, and with it what was computed. */
  forgetSequence(): void {
    this.sequence = undefined
    this.computed = 0
    this.published = 0
    this.backed = 0
    this.firstKept = 0
  }
}

/** Who goes first: higher priority, then earlier arrival. */
export function compareJobs(a: Job, b: Job): number {
  return b.priority - a.priority || a.order - b.order
}
