/**
 * What the engine needs of a model over a cache: a forward pass. The native runner is one; whoever
 * computes elsewhere brings another.
 */
import type { ForwardBatch, ForwardResult } from '../native.ts'

/** A model over one cache. */
export interface ForwardRunner {
  /**
   * Runs one pass and resolves with the next tokens, without blocking the event loop. The engine
   * has one pass in flight at a time and has backed all `kvLengths` by `step` before.
   */
  forward(batch: ForwardBatch): Promise<ForwardResult>
  /** Bytes of activations and workspaces. */
  readonly workspaceBytes: number
  /** Gives everything back. Called when no pass is in flight. */
  dispose(): void
}
