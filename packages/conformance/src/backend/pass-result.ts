/** What a pass is about, and what it gave. */
import type { Tracked } from './tracked.ts'

/** What a sequence does in a pass. */
export interface Work {
  readonly sequence: Tracked
  readonly queryLength: number
  /** Defaults to the known tokens, and the new ones where the pass adds any. */
  readonly kvLength?: number
}

/**
 * How new K and V rows get into the cache: `run` is given them, `append` comes before, the caller
 * has written them already, or there are none (the queries stand at the last known tokens).
 */
export type Appending = 'run' | 'append' | 'written' | 'none'

/** What a layer gave. */
export interface LayerResult {
  readonly layer: number
  /** What the backend was given, `[tokens, queryHeads, headDim]`. */
  readonly query: Float32Array
  /** `[tokens, queryHeads, valueHeadDim]` */
  readonly output: Float32Array
  /** `[tokens, queryHeads]` */
  readonly lse: Float32Array | undefined
}

/** A pass, as it was done. */
export interface PassResult {
  readonly work: readonly Required<Work>[]
  readonly appending: Appending
  readonly layers: readonly LayerResult[]
}
