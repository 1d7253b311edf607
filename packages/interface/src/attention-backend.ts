import type { AttentionConfig, PlanLimits } from './attention-config.ts'
import type { Capabilities } from './capabilities.ts'
import type { Device, Stream } from './device.ts'
import type { Reason } from './errors.ts'
import type { KvCache } from './kv-cache.ts'
import type { Tensor } from './tensor.ts'

/** One implementation of attention over caches. */
export interface AttentionBackend extends Disposable {
  /** `cpu`, `flash-attention-3`. */
  readonly name: string
  readonly device: Device
  /** A type-tagged external with the C table; absent for a backend written in JavaScript. */
  readonly native?: object
  /** Data: the docs table and `validate` come from it. */
  readonly capabilities: Capabilities
  /** Every reason why this backend cannot serve `config`; empty when it can. */
  validate(config: AttentionConfig): readonly Reason[]
  /**
   * All buffers for batches up to `limits`. Made once, used for every pass.
   * @throws `ERR_VATTENTION_BACKEND_UNSUPPORTED` with all reasons.
   */
  createPlan(config: AttentionConfig, limits: PlanLimits): AttentionPlan
  /**
   * Combines partial results over disjoint keys, exactly: the primitive for split-KV, cascade and
   * context parallelism. Outputs `[tokens, heads, dim]`, LSE float32 `[tokens, heads]`.
   */
  merge(
    partials: readonly AttentionPartial[],
    into: { output: Tensor; lse?: Tensor },
    stream?: Stream,
  ): void
}

/** A result over some of the keys, and the log-sum-exp that says how much it weighs. */
export interface AttentionPartial {
  readonly output: Tensor
  readonly lse: Tensor
}

/** One forward pass's sequences. */
export interface AttentionBatch {
  readonly cache: KvCache
  readonly sequences: Uint32Array
  /** New tokens of each; their rows are concatenated in this order. */
  readonly queryLengths: Uint32Array
  /** Tokens after this pass. 0 gives zeros and LSE -Infinity; otherwise at least the query length. */
  readonly kvLengths: Uint32Array
  /** Defaults to the device's default stream; on the CPU the calling thread. */
  readonly stream?: Stream
}

/** One layer's tensors. */
export interface RunArguments {
  readonly layer: number
  /** `[tokens, queryHeads, headDim]` */
  readonly query: Tensor
  /** `[tokens, kvHeads, headDim]`; with `value` absent too: the caller wrote the rows already. */
  readonly key?: Tensor
  /** `[tokens, kvHeads, valueHeadDim]` */
  readonly value?: Tensor
  /** `[tokens, queryHeads, valueHeadDim]` */
  readonly output: Tensor
  /** float32 `[tokens, queryHeads]`, natural log */
  readonly lse?: Tensor
}

/** Everything about a batch that does not depend on the layer, and the buffers for it. */
export interface AttentionPlan extends Disposable {
  /**
   * Everything of a pass that no layer changes. Lengths are CPU arrays: it never waits for the
   * device. Rows may be prefill, chunked prefill and decode in any order.
   * @throws `ERR_VATTENTION_INVALID_BATCH` (handles, lengths beyond what is backed, limits),
   * `ERR_VATTENTION_STALE_SEQUENCE`, `ERR_VATTENTION_DISPOSED`.
   */
  prepare(batch: AttentionBatch): void
  /**
   * Appends K and V rows and enqueues attention on prepare's stream. Allocates nothing, waits for
   * nothing (the CPU computes before it returns).
   * @throws `ERR_VATTENTION_INVALID_TENSOR`, `ERR_VATTENTION_NOT_PREPARED`; nothing was written.
   */
  run(args: RunArguments): void
  /** `run` off the JavaScript thread. One call at a time per plan: `ERR_VATTENTION_BUSY`. */
  runAsync(args: RunArguments): Promise<void>
  /** Appends K and V rows without attention. */
  append(args: { readonly layer: number; readonly key: Tensor; readonly value: Tensor }): void
  /** Memory the plan holds for partial results and schedules. */
  readonly workspaceBytes: number
}
