import {
  checkBatch,
  checkRun,
  cpu,
  describeCache,
  errors,
  sameDevice,
  type AttentionBatch,
  type AttentionConfig,
  type AttentionPlan,
  type KvCache,
  type PlanLimits,
  type RunArguments,
  type RunExpectation,
  type Tensor,
} from '@vattention/interface'

import { NativeCalls, type HandleCheck } from '../../../native/node/native-calls.ts'
import { callNative } from '../../../native/node/native-error.ts'
import { addon, type NativePlan } from './addon.ts'
import { batchError } from './batch-error.ts'
import { prepareForeign } from './foreign-cache.ts'
import { LayerRecords, type LayerArguments } from './layer-records.ts'
import { toNativeConfig } from './native-config.ts'

/** A plan of the CPU backend. Made by `CpuBackend.createPlan`. */
export class CpuPlan implements AttentionPlan {
  readonly #limits: PlanLimits
  readonly #expected: { -readonly [Key in keyof RunExpectation]: RunExpectation[Key] }
  readonly #records: LayerRecords
  readonly #native: NativePlan
  readonly #workspaceBytes: number
  readonly #calls = new NativeCalls(() => false)
  /** What is prepared: `run` reads its memory, so it stays. */
  #cache: KvCache | undefined
  #sequences = new Uint32Array()
  #pending: RunArguments | undefined
  #disposed = false

  /** @internal */
  constructor(config: AttentionConfig, limits: PlanLimits, threads: number) {
    const { shape } = describeCache(config.cache)
    this.#limits = { ...limits, maxLength: Math.min(limits.maxLength, shape.maxLength) }
    this.#expected = {
      layers: shape.layers,
      tokens: 0,
      queryHeads: config.queryHeads,
      kvHeads: shape.kvHeads,
      headDim: shape.headDim,
      valueHeadDim: shape.valueHeadDim,
      dtype: config.dtype,
      device: cpu,
    }
    this.#records = new LayerRecords(this.#expected)
    const { Plan } = addon()
    this.#native = callNative(
      () => new Plan(toNativeConfig(config, limits, threads), this.#records.numbers),
    )
    this.#workspaceBytes = this.#native.workspaceBytes()
  }

  get workspaceBytes(): number {
    return this.#workspaceBytes
  }

  /**
   * Checks the batch and lays out the work. After a batch that was refused, nothing is prepared.
   * @throws `ERR_VATTENTION_INVALID_BATCH`, `ERR_VATTENTION_STALE_SEQUENCE`,
   * `ERR_VATTENTION_BUSY`, `ERR_VATTENTION_DISPOSED`.
   */
  prepare(batch: AttentionBatch): void {
    this.#check()
    this.#cache = undefined
    const { cache, stream } = batch
    const tokens = checkBatch(batch, this.#limits)
    const device = [cache.device, ...(stream ? [stream.device] : [])].find(
      (other) => !sameDevice(other, cpu),
    )
    if (device)
      throw errors.invalidArgument('batch', 'a cache and a stream of the cpu', device.type)
    try {
      if (cache.native !== undefined) {
        this.#native.prepare(
          cache.native,
          batch.sequences,
          batch.queryLengths,
          batch.kvLengths,
          stream?.handle ?? 0n,
        )
      } else {
        prepareForeign(this.#native, batch)
      }
    } catch (error) {
      throw batchError(error, this.#calls, batch)
    }
    this.#cache = cache
    this.#sequences = batch.sequences.slice()
    this.#expected.tokens = this.#records.tokens = tokens
  }

  /**
   * Appends K and V and computes one layer's attention before it returns.
   * @throws `ERR_VATTENTION_INVALID_TENSOR`, `ERR_VATTENTION_NOT_PREPARED`,
   * `ERR_VATTENTION_INVALID_BATCH` and `ERR_VATTENTION_STALE_SEQUENCE` when a sequence was changed
   * since `prepare`, `ERR_VATTENTION_BUSY`, `ERR_VATTENTION_DISPOSED`; nothing was written.
   */
  run(args: RunArguments): void {
    this.#write('run', args)
    try {
      this.#native.run()
    } catch (error) {
      throw this.#typed(error)
    }
  }

  /**
   * `run` on a thread of the plan. Until the promise settles, the tensors and the cache's pages are
   * kept, and other calls of this plan are refused (`ERR_VATTENTION_BUSY`).
   */
  async runAsync(args: RunArguments): Promise<void> {
    this.#write('run', args)
    // Whoever owns the tensors' memory is reachable from them.
    this.#pending = args
    try {
      await this.#native.runAsync()
    } catch (error) {
      throw this.#typed(error)
    } finally {
      this.#pending = undefined
    }
  }

  append(args: { readonly layer: number; readonly key: Tensor; readonly value: Tensor }): void {
    this.#write('append', args)
    try {
      this.#native.append()
    } catch (error) {
      throw this.#typed(error)
    }
  }

  /** Gives the plan's memory and threads back, after a `runAsync` that is at work. Idempotent. */
  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    this.#cache = undefined
    this.#native.destroy()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /** Checks a call's tensors and hands them over. */
  #write(what: 'run' | 'append', args: LayerArguments): void {
    this.#check()
    if (!this.#cache) throw errors.notPrepared()
    const pairs =
      !args.key === !args.value && (what === 'append' ? args.key : args.query && args.output)
    if (!pairs || !this.#records.write(args)) {
      checkRun(what, args as RunArguments, this.#expected)
      this.#records.writeChecked(args)
    }
    // A view that throws belongs to a cache that was disposed; native caches are asked natively.
    if (this.#cache.native === undefined) this.#cache.view()
  }

  #check(): void {
    if (this.#disposed) throw errors.disposed('The plan')
    if (this.#pending) throw errors.busy('A runAsync of this plan has not ended. Await it first.')
  }

  /** The interface's error for one of the addon's. */
  #typed(error: unknown): unknown {
    return this.#calls.typed(error, this.#sequences, this.#cache as HandleCheck | undefined)
  }
}
