import {
  checkBatch,
  checkRun,
  describeCache,
  deviceName,
  errors,
  sameDevice,
  type AttentionBatch,
  type AttentionConfig,
  type AttentionPlan,
  type Device,
  type KvCache,
  type PlanLimits,
  type RunArguments,
  type RunExpectation,
  type Stream,
  type Tensor,
} from '@vattention/interface'

import { NativeCalls, type HandleCheck } from '../native-calls.ts'
import { callNative, nativeStatus } from '../native-error.ts'
import type { BackendAddon, NativePlan } from './backend-addon.ts'
import { batchError } from './batch-error.ts'
import { prepareForeign } from './foreign-cache.ts'
import { LayerRecords, type LayerArguments } from './layer-records.ts'
import { toNativeConfig, type NativeOptions } from './native-config.ts'

/** A plan of a backend's C table. Made by the backend's `createPlan`. */
export class TablePlan implements AttentionPlan {
  readonly #device: Device
  /** Read by every run: whoever owns their memory is reachable from here. */
  readonly #scales: AttentionConfig['fp8Scales']
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
  constructor(
    addon: BackendAddon,
    config: AttentionConfig,
    limits: PlanLimits,
    options: NativeOptions,
  ) {
    const { shape } = describeCache(config.cache)
    this.#device = options.device
    this.#scales = config.fp8Scales
    this.#limits = { ...limits, maxLength: Math.min(limits.maxLength, shape.maxLength) }
    this.#expected = {
      layers: shape.layers,
      tokens: 0,
      queryHeads: config.queryHeads,
      kvHeads: shape.kvHeads,
      headDim: shape.headDim,
      valueHeadDim: shape.valueHeadDim,
      dtype: config.dtype,
      device: options.device,
    }
    this.#records = new LayerRecords(this.#expected)
    const { Plan } = addon
    this.#native = callNative(
      () => new Plan(toNativeConfig(config, limits, options), this.#records.numbers),
    )
    this.#workspaceBytes = this.#native.workspaceBytes()
  }

  get workspaceBytes(): number {
    return this.#workspaceBytes
  }

  /**
   * Checks the batch and lays out the work. After a batch that was refused, nothing is prepared.
   * On a GPU the batch's stream waits for the cache's own zeroing and copies, and pages leave the
   * cache behind it, until another stream is prepared or the plan is disposed.
   * @throws `ERR_VATTENTION_INVALID_BATCH`, `ERR_VATTENTION_STALE_SEQUENCE`,
   * `ERR_VATTENTION_BUSY`, `ERR_VATTENTION_DISPOSED`.
   */
  prepare(batch: AttentionBatch): void {
    this.#check()
    this.#cache = undefined
    const { cache } = batch
    const tokens = checkBatch(batch, this.#limits)
    const stream: Stream = batch.stream ?? { device: this.#device, handle: 0n }
    const elsewhere = [cache.device, stream.device].find((one) => !sameDevice(one, this.#device))
    if (elsewhere) {
      const expected = `a cache and a stream of the device ${deviceName(this.#device)}`
      throw errors.invalidArgument('batch', expected, deviceName(elsewhere))
    }
    try {
      if (cache.native !== undefined) {
        this.#native.prepare(
          cache.native,
          batch.sequences,
          batch.queryLengths,
          batch.kvLengths,
          stream.handle,
        )
      } else {
        prepareForeign(this.#native, batch, stream)
      }
    } catch (error) {
      throw batchError(error, this.#calls, batch)
    }
    this.#cache = cache
    this.#sequences = batch.sequences.slice()
    this.#expected.tokens = this.#records.tokens = tokens
  }

  /**
   * Appends K and V and attends to one layer: computed when it returns on the CPU, enqueued on
   * prepare's stream on a GPU.
   * @throws `ERR_VATTENTION_INVALID_TENSOR`, `ERR_VATTENTION_NOT_PREPARED`,
   * `ERR_VATTENTION_INVALID_BATCH` and `ERR_VATTENTION_STALE_SEQUENCE` when a sequence was changed
   * since `prepare`, `ERR_VATTENTION_BUSY`, `ERR_VATTENTION_DISPOSED`; nothing was written.
   */
  run(args: RunArguments): void {
    this.#write('run', args)
    try {
      this.#native.run()
    } catch (error) {
      throw this.#typed('run', error)
    }
  }

  /**
   * On the CPU, `run` on a thread of the plan: until the promise settles, the tensors and the cache's
   * pages are kept, and other calls of this plan are refused (`ERR_VATTENTION_BUSY`). On a GPU `run`
   * takes no time of this thread's, and the promise has resolved when the work is enqueued.
   */
  async runAsync(args: RunArguments): Promise<void> {
    this.#write('run', args)
    // Whoever owns the tensors' memory is reachable from them.
    this.#pending = args
    try {
      if (this.#native.runAsync) await this.#native.runAsync()
      else this.#native.run()
    } catch (error) {
      throw this.#typed('run', error)
    } finally {
      this.#pending = undefined
    }
  }

  append(args: { readonly layer: number; readonly key: Tensor; readonly value: Tensor }): void {
    this.#write('append', args)
    try {
      this.#native.append()
    } catch (error) {
      throw this.#typed('append', error)
    }
  }

  /**
   * Gives the plan's memory and threads back: on the CPU after a `runAsync` that is at work, on a GPU
   * after what was enqueued. Idempotent.
   */
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
  #typed(what: 'run' | 'append', error: unknown): unknown {
    // What data cannot say of tensors, such as the alignment that a GPU's kernels want.
    if (NativeCalls.isStatus(error, nativeStatus.invalidArgument)) {
      const { message } = error
      const expected = 'tensors that its kernels can take'
      const typed = errors.invalidTensor(what, [
        { code: 'tensor', message, expected, found: message },
      ])
      typed.cause = error
      return typed
    }
    return this.#calls.typed(error, this.#sequences, this.#cache as HandleCheck | undefined)
  }
}
