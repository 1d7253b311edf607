import {
  deviceIndex,
  deviceTypeCode,
  errors,
  type AllocateOptions,
  type Allocation,
  type CacheEvent,
  type CacheStats,
  type Device,
  type Fence,
  type KvCache,
  type KvCacheShape,
  type PagedCacheOptions,
  type PagedView,
  type PoolLayout,
  type Sequence,
  type StepResult,
  type Stream,
} from '@vattention/interface'

import {
  checkAllocate,
  checkLength,
  checkPublish,
  checkStep,
  checkStream,
  isCallingThread,
} from '../../../native/node/cache-arguments.ts'
import { toCacheEvents } from '../../../native/node/cache-events.ts'
import { statsNumbers, toCacheStats } from '../../../native/node/cache-stats.ts'
import { toNativeFaults, type FaultPlan } from '../../../native/node/fault-plan.ts'
import { NativeCalls } from '../../../native/node/native-calls.ts'
import { callNative, nativeStatus } from '../../../native/node/native-error.ts'
import { stepNumbers, toStepResult } from '../../../native/node/step-result.ts'
import { addon, type NativePagedCache } from './addon.ts'
import { geometryOf, type PagedGeometry } from './geometry.ts'
import { PagedFence } from './paged-fence.ts'
import { resolveOptions, type PagedTestOptions } from './paged-options.ts'
import { makeView } from './paged-view.ts'

/** How often a cache that waits to be disposed asks its streams, in milliseconds. */
const disposePauseMs = 1

/**
 * A KV cache in blocks: PagedAttention. A pool of blocks is taken from the system when the cache is
 * made; each sequence has a table of the blocks that hold its tokens, and kernels walk the tables.
 * Full blocks are shared between forks and, by the hash of their tokens, between prompts; what would
 * be written while shared is copied first.
 *
 * Give it back with `using`, `dispose`, or `await using`. Undisposed, its memory goes when it has
 * been collected. Disposing is refused (`ERR_VATTENTION_BUSY`, nothing done) while a promise of the
 * cache is pending or an attached stream has work in flight; `disposeAsync` waits for both instead.
 *
 * @example
 * ```ts
 * using cache = new PagedKvCache({
 *   layers: 30, kvHeads: 3, headDim: 64, dtype: 'bfloat16',
 *   maxSequences: 64, maxLength: 8192, limitBytes: 2 ** 30, blockTokens: 16,
 * })
 * const { sequence } = cache.allocate()!
 * const result = cache.step(Uint32Array.of(sequence), Uint32Array.of(300))
 * ```
 */
export class PagedKvCache implements KvCache, AsyncDisposable {
  readonly kind = 'paged'
  readonly device: Device
  readonly shape: KvCacheShape
  readonly blockTokens: number
  readonly poolLayout: PoolLayout
  /** For plans and model runners of other addons. */
  readonly native: object

  readonly #native: NativePagedCache
  readonly #calls: NativeCalls
  readonly #view: PagedView
  readonly #onEvent: ((event: CacheEvent) => void) | undefined
  readonly #numbers = new Float64Array(stepNumbers)
  readonly #statsNumbers = new Float64Array(statsNumbers)
  /** Streams attached by `recordFence` and `waitReady`. */
  readonly #streams = new Set<bigint>()
  readonly #owner = { disposed: false }
  readonly #prefixes = { queries: 0, queryTokens: 0, hitTokens: 0, evictions: 0 }
  #pending = 0
  /** Settles with the last `stepAsync`: they run one after the other, in the order of the calls. */
  #lastStep: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | undefined

  /**
   * @throws `ERR_VATTENTION_INVALID_OPTIONS` with all reasons, `ERR_VATTENTION_OUT_OF_MEMORY`,
   * `ERR_VATTENTION_DEVICE`, `ERR_VATTENTION_NATIVE_LOAD`.
   */
  constructor(options: PagedCacheOptions, test?: PagedTestOptions) {
    const { native, ...resolved } = resolveOptions(options, test)
    this.device = resolved.device
    this.shape = resolved.shape
    this.blockTokens = resolved.blockTokens
    this.poolLayout = resolved.poolLayout
    this.#onEvent = options.onEvent
    const { Cache } = addon()
    this.#native = callNative(() => new Cache(native, this.#numbers))
    this.#calls = new NativeCalls(() => this.#closing !== undefined || this.#owner.disposed)
    this.native = this.#native.ref()
    const source = { native: this.#native, calls: this.#calls, owner: this.#owner }
    this.#view = makeView({ ...resolved, ...source })
  }

  /**
   * What a cache with these options would look like; makes nothing.
   * @throws `ERR_VATTENTION_INVALID_OPTIONS` with all reasons.
   */
  static geometry(options: PagedCacheOptions): PagedGeometry {
    return geometryOf(options)
  }

  /** Shares whole blocks of the prefix, at most `prefix.length - 1` tokens of it. */
  allocate(options?: AllocateOptions): Allocation | undefined {
    checkAllocate(options)
    const prefix = options?.prefix
    return this.#calls.run(() => {
      const sequence = prefix
        ? this.#native.allocatePrefix(prefix, options?.salt ?? '')
        : this.#native.allocate()
      if (sequence === 0) return undefined
      const sharedLength = prefix ? this.#numbers[0]! : 0
      if (prefix) {
        this.#prefixes.queries++
        this.#prefixes.queryTokens += prefix.length
        this.#prefixes.hitTokens += sharedLength
      }
      return { sequence: sequence as Sequence, sharedLength }
    })
  }

  fork(source: Sequence, length: number): Sequence | undefined {
    checkLength('length', length, this.shape.maxLength)
    return this.#ofSequence(source, 'length', length, () => {
      const sequence = this.#native.fork(source, length)
      return sequence === 0 ? undefined : (sequence as Sequence)
    })
  }

  step(sequences: Uint32Array, lengths: Uint32Array): StepResult {
    checkStep(sequences, lengths)
    this.#calls.check()
    try {
      this.#native.step(sequences, lengths)
    } catch (error) {
      throw this.#calls.typed(error, sequences, this.#native)
    } finally {
      this.#deliver()
    }
    return toStepResult(this.#numbers)
  }

  async stepAsync(sequences: Uint32Array, lengths: Uint32Array): Promise<StepResult> {
    checkStep(sequences, lengths)
    this.#calls.check()
    const ids = sequences.slice()
    const wanted = lengths.slice()
    this.#pending++
    const numbers = this.#lastStep.then(() => this.#native.stepAsync(ids, wanted))
    this.#lastStep = numbers.catch(() => undefined)
    try {
      return toStepResult(await numbers)
    } catch (error) {
      throw this.#calls.typed(error, ids, this.#native)
    } finally {
      this.#pending--
      this.#deliver()
    }
  }

  publish(sequence: Sequence, tokens: Uint32Array, salt = ''): void {
    checkPublish(tokens, salt)
    this.#ofSequence(sequence, 'tokens', tokens.length, () =>
      this.#native.publish(sequence, tokens, salt),
    )
  }

  truncate(sequence: Sequence, length: number, after?: Fence): void {
    checkLength('length', length, this.shape.maxLength)
    const fence = PagedFence.native(after)
    this.#ofSequence(sequence, 'length', length, () =>
      this.#native.truncate(sequence, length, fence),
    )
  }

  slide(sequence: Sequence, firstToken: number, after?: Fence): void {
    checkLength('firstToken', firstToken, this.shape.maxLength)
    const fence = PagedFence.native(after)
    this.#ofSequence(sequence, 'firstToken', firstToken, () =>
      this.#native.slide(sequence, firstToken, fence),
    )
  }

  free(sequence: Sequence, after?: Fence): void {
    const fence = PagedFence.native(after)
    this.#ofSequence(sequence, 'sequence', sequence, () => this.#native.free(sequence, fence))
  }

  /**
   * A point in `stream`'s order, for `after`. A stream that the cache does not know yet is attached.
   * @throws `ERR_VATTENTION_INVALID_ARGUMENT` for a stream of another device.
   */
  recordFence(stream: Stream): Fence {
    this.#meet(stream)
    return this.#onStream(stream, (...to) => new PagedFence(this.#native.recordFence(...to)))
  }

  /** @throws `ERR_VATTENTION_INVALID_ARGUMENT` for a stream of another device. */
  waitReady(stream: Stream): void {
    this.#meet(stream)
    this.#onStream(stream, (...to) => this.#native.waitReady(...to))
  }

  /**
   * From now on blocks leave sequences only behind what `stream` has been given until then. Counted:
   * attached twice, a stream is to be detached twice.
   */
  attachStream(stream: Stream): void {
    this.#onStream(stream, (...to) => this.#native.attach(...to))
  }

  /**
   * The opposite of `attachStream`, and of what `recordFence` and `waitReady` did.
   * @throws `ERR_VATTENTION_BUSY` while the stream has work in flight.
   */
  detachStream(stream: Stream): void {
    this.#onStream(stream, (...to) => this.#native.detach(...to))
    this.#streams.delete(stream.handle)
  }

  backedLength(sequence: Sequence): number {
    return this.#calls.ofSequence(sequence, this.#native, () => this.#native.backedLength(sequence))
  }

  view(): PagedView {
    this.#calls.check()
    return this.#view
  }

  stats(): CacheStats {
    return this.#calls.run(() => {
      this.#native.stats(this.#statsNumbers)
      return toCacheStats(this.#statsNumbers, this.#prefixes)
    })
  }

  /**
   * Changes how much of the pool may be used, in bytes; the pool itself keeps its size, so a limit
   * above it means all of it. Lowering it evicts cached blocks; live sequences keep theirs, and
   * nothing is handed out until enough of them have left.
   */
  setLimit(bytes: number): void {
    checkLength('bytes', bytes, Number.MAX_SAFE_INTEGER, 1)
    this.#calls.run(() => this.#native.setLimit(bytes))
    this.#deliver()
  }

  /** Forgets cached prefixes that no sequence uses: their blocks become free. */
  dropPrefixes(): void {
    this.#calls.run(() => this.#native.dropCached())
    this.#deliver()
  }

  /** The last `traceEvents` events, oldest first. */
  trace(): CacheEvent[] {
    return this.#calls.run(() => toCacheEvents(this.#native.trace()))
  }

  /**
   * For tests of what is built on the cache: makes driver calls fail or slow from now on, none
   * without a plan. Returns the driver calls made so far.
   * @throws `ERR_VATTENTION_UNSUPPORTED` for a cache made without `faults`.
   */
  setFaults(plan: FaultPlan = {}): number {
    const faults = toNativeFaults(plan)
    return this.#calls.run(() => this.#native.setFaults(faults))
  }

  /**
   * For tests: checks that every block is in one state, that reference counts are those of the
   * tables, the lists, and the hash index. Takes time with the number of blocks.
   * @throws `ERR_VATTENTION_INTERNAL` with what does not hold.
   */
  check(): void {
    this.#calls.run(() => this.#native.check())
  }

  /**
   * Gives everything back. A second call does nothing.
   * @throws `ERR_VATTENTION_BUSY`, nothing done, while promises or streams are in flight.
   */
  [Symbol.dispose](): void {
    if (this.#owner.disposed) return
    if (this.#pending > 0) {
      throw errors.busy(
        `The cache has ${this.#pending} calls in flight. Await them first, or use disposeAsync().`,
      )
    }
    try {
      this.#native.close()
    } catch (error) {
      throw this.#calls.typed(error)
    }
    this.#owner.disposed = true
  }

  /** As `using` does: see `[Symbol.dispose]`. */
  dispose(): void {
    this[Symbol.dispose]()
  }

  /**
   * Waits for promises and streams in flight, then gives everything back. From the call on the
   * cache cannot be used.
   */
  disposeAsync(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.disposeAsync()
  }

  async #close(): Promise<void> {
    for (;;) {
      try {
        return this.dispose()
      } catch (error) {
        if ((error as { code?: string }).code !== errors.busy.code) throw error
      }
      await new Promise((resolve) => setTimeout(resolve, disposePauseMs))
    }
  }

  /** A call about one sequence and a number of its tokens. */
  #ofSequence<Result>(
    sequence: Sequence,
    name: string,
    tokens: number,
    call: () => Result,
  ): Result {
    const result = this.#calls.ofSequence(sequence, this.#native, () => {
      try {
        return call()
      } catch (error) {
        if (!NativeCalls.isStatus(error, nativeStatus.notBacked)) throw error
        const backed = this.#native.backedLength(sequence)
        const expected = `at most the ${backed} tokens that step has backed`
        throw errors.invalidArgument(name, expected, String(tokens))
      }
    })
    this.#deliver()
    return result
  }

  /** Attaches a stream that fences are to be recorded on, once. */
  #meet(stream: Stream): void {
    checkStream(stream, this.device)
    if (isCallingThread(stream) || this.#streams.has(stream.handle)) return
    this.attachStream(stream)
    this.#streams.add(stream.handle)
  }

  #onStream<Result>(
    stream: Stream,
    call: (deviceType: number, deviceIndex: number, handle: bigint) => Result,
  ): Result {
    checkStream(stream, this.device)
    const { device, handle } = stream
    return this.#calls.run(() => call(deviceTypeCode(device), deviceIndex(device), handle))
  }

  /** Gives the listener the events of the call that has ended. */
  #deliver(): void {
    if (this.#onEvent === undefined) return
    for (const event of toCacheEvents(this.#native.takeEvents())) {
      try {
        this.#onEvent(event)
      } catch (error) {
        // The listener's mistake is not the cache's, and must not keep later events from it.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}
