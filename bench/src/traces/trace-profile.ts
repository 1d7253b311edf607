import type { QuantileTable } from './quantile-table.ts'

/** Figures that a generated trace is compared with: of the published file. */
export interface PublishedLengths {
  readonly mean: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
}

/** Arrivals by the distribution of gaps, and how long busy and quiet times last. */
export interface GapArrivals {
  readonly kind: 'gaps'
  /** Seconds between neighbouring requests. */
  readonly gapSeconds: QuantileTable
  /** Share of a gap's rank that is common to its neighbourhood, from 0 to 1. */
  readonly slowShare: number
  /** How much of that is kept from one gap to the next, from 0 to 1. */
  readonly slowPersistence: number
}

/** Arrivals by chance at a rate that grows linearly, rounded down to ticks of a clock. */
export interface TickArrivals {
  readonly kind: 'ticks'
  readonly tickSeconds: number
  /** Mean over the trace. */
  readonly requestsPerSecond: number
  /** Rate at the end over the rate at the start. */
  readonly growth: number
}

/** How prompts begin with what earlier prompts began with. */
export interface PromptSharing {
  /** Tokens of a block, which one hash id stands for. */
  readonly blockTokens: number
  /** Share of requests that go on from an earlier one, if the trace had no beginning. */
  readonly followShare: number
  /** Of those: share that has only the earlier prompt's beginning in common. */
  readonly partialShare: number
  /** Of those that contain an earlier prompt: share of which that one followed another itself. */
  readonly continuedShare: number
  /** Prompts of those that follow; the profile's `promptTokens` are those of the others. */
  readonly followPromptTokens: QuantileTable
  /** Seconds since the earlier request. */
  readonly gapSeconds: QuantileTable
  /** Tokens that a prompt adds to the earlier one that it contains. */
  readonly growthTokens: QuantileTable
  /** Blocks in common where only the beginning is. */
  readonly partialBlocks: QuantileTable
}

/** Statistics of a published trace: what the generator makes traces from. */
export interface TraceProfile {
  readonly name: string
  /** What was measured, for people. */
  readonly description: string
  /** Rows of the published file, and what a generated trace has by default. */
  readonly requests: number
  /** Of prompts; with `sharing`, of those that follow no earlier one. */
  readonly promptTokens: QuantileTable
  readonly outputTokens: QuantileTable
  /**
   * Rank correlation (Spearman) of prompt and output, -1 to 1, but for what `largestRatio` adds: short
   * outputs then go with short prompts.
   */
  readonly rankCorrelation: number
  /** No prompt is longer than this times its output. Absent where that was not so. */
  readonly largestRatio?: number
  /** Absent for a trace without arrivals. */
  readonly arrivals?: GapArrivals | TickArrivals
  /** Absent for a trace that says nothing of it. */
  readonly sharing?: PromptSharing
  /** Of the published file, percentiles by linear interpolation. */
  readonly published: {
    readonly prompt: PublishedLengths
    readonly output: PublishedLengths
    /** Of prompt and output. */
    readonly rankCorrelation: number
  }
}
