import {
  deviceIndex,
  deviceTypeCode,
  errors,
  type AllocateOptions,
  type Allocation,
  type CacheEvent,
  type CacheStats,
  type ContiguousCacheOptions,
  type ContiguousView,
  type Device,
  type Fence,
  type KvCache,
  type KvCacheShape,
  type Layout,
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
import { nativeStatus } from '../../../native/node/native-error.ts'
import { stepNumbers, toStepResult } from '../../../native/node/step-result.ts'
import { addon, type NativeCache, type NativeFence } from './addon.ts'
import { makeView } from './cache-view.ts'
import { checkAnyStream } from './check-device.ts'
import { resolveOptions, type ContiguousTestOptions } from './contiguous-options.ts'
import { createNativeCache } from './create-native-cache.ts'
import { geometryOf, type ContiguousGeometry } from './geometry.ts'
import { Mapper } from './mapper.ts'
import { PageExport } from './page-export.ts'
import { checkExportPages, type ExportPagesOptions } from './page-sharing-options.ts'
import { PrefixIndex } from './prefix-index.ts'
import { StreamFence } from './stream-fence.ts'
import { checkTrim, type TrimOptions } from './trim-options.ts'

type OutOfMemory = Extract<StepResult, { status: 'outOfMemory' }>

/** How often a cache that waits to be disposed asks its streams, in milliseconds. */
const disposePauseMs = 1

/**
 * A KV cache that is contiguous in virtual memory: each sequence owns a range of addresses, and
 * `step` puts physical pages behind it as it grows. Kernels for plain tensors run on it unchanged.
 *
 * Give it back with `using`, `dispose`, or `await using`. Undisposed, its memory goes when it has
 * been collected, like that of any object. Disposing is refused (`ERR_VATTENTION_BUSY`, nothing
 * done) while a promise of the cache is pending or an attached stream has work in flight, since
 * kernels would lose the memory under them; `disposeAsync` waits for both instead.
 *
 * @example
 * ```ts
 * using cache = new ContiguousKvCache({
 *   layers: 30, kvHeads: 3, headDim: 64, dtype: 'bfloat16',
 *   maxSequences: 64, maxLength: 8192, limitBytes: 2 ** 30,
 * })
 * const { sequence } = cache.allocate()!
 * const result = cache.step(Uint32Array.of(sequence), Uint32Array.of(300))
 * ```
 */
export class ContiguousKvCache implements KvCache, AsyncDisposable {
  readonly kind = 'contiguous'
  readonly device: Device
  readonly shape: KvCacheShape
  readonly layout: Layout
  /** For plans and model runners of other addons. */
  readonly native: object
  /** The thread that maps ahead of time. */
  readonly mapper: Mapper

  readonly #native: NativeCache
  readonly #calls: NativeCalls
  readonly #prefixes: PrefixIndex
  readonly #view: ContiguousView
  readonly #stepNumbers = new Float64Array(stepNumbers)
  readonly #statsNumbers = new Float64Array(statsNumbers)
  /** Streams attached by `recordFence` and `waitReady`. */
  readonly #streams = new Set<bigint>()
  readonly #owner = { disposed: false }
  #closing: Promise<void> | undefined

  /**
   * @throws `ERR_VATTENTION_INVALID_OPTIONS` with all reasons, `ERR_VATTENTION_OUT_OF_MEMORY`,
   * `ERR_VATTENTION_DEVICE`, `ERR_VATTENTION_NATIVE_LOAD`.
   */
  constructor(options: ContiguousCacheOptions, test?: ContiguousTestOptions) {
    const resolved = resolveOptions(options, test)
    this.device = resolved.device
    this.shape = resolved.shape
    this.layout = resolved.layout
    this.#native = createNativeCache(resolved.native, this.#stepNumbers, options.onEvent)
    this.#calls = new NativeCalls(() => this.#closing !== undefined || this.#owner.disposed)
    this.native = this.#native.ref()
    this.mapper = new Mapper(this.#native, this.#calls)
    this.#prefixes = new PrefixIndex(
      {
        create: (sequence, from, block, out) =>
          this.#native.createSpans(sequence, from, block, out),
        release: (span) => this.#native.releaseSpan(span),
        // What exports hold does not come back by evicting prefixes.
        retainedBytes: () => this.#readStats().retainedBytes - addon().exportedBytes(this.native),
      },
      resolved.prefixBlockTokens,
    )
    this.#view = makeView(this.#native, this.#calls, this.shape, this.device, this.#owner)
  }

  /**
   * What a cache with these options would look like; makes nothing.
   * @throws `ERR_VATTENTION_INVALID_OPTIONS` with all reasons.
   */
  static geometry(options: ContiguousCacheOptions): ContiguousGeometry {
    return geometryOf(options)
  }

  allocate(options?: AllocateOptions): Allocation | undefined {
    checkAllocate(options)
    return this.#calls.run(() => {
      const { prefix, salt = '' } = options ?? {}
      const match = prefix && this.#prefixes.match(prefix, salt)
      const sequence = match
        ? this.#native.allocateShared(match.spans, match.length)
        : this.#native.allocate()
      if (sequence === 0) return undefined
      if (match) this.#prefixes.attach(sequence, match)
      return { sequence: sequence as Sequence, sharedLength: match?.length ?? 0 }
    })
  }

  fork(source: Sequence, length: number): Sequence | undefined {
    checkLength('length', length, this.shape.maxLength)
    return this.#calls.ofSequence(source, this.#native, () => {
      const sequence = this.#withinBacked(source, 'length', length, () =>
        this.#native.fork(source, length),
      )
      if (sequence === 0) return undefined
      this.#prefixes.fork(source, sequence, length)
      return sequence as Sequence
    })
  }

  step(sequences: Uint32Array, lengths: Uint32Array): StepResult {
    checkStep(sequences, lengths)
    this.#calls.check()
    for (;;) {
      try {
        this.#native.step(sequences, lengths)
      } catch (error) {
        throw this.#calls.typed(error, sequences, this.#native)
      }
      const result = toStepResult(this.#stepNumbers)
      if (result.status === 'ok') {
        this.#prefixes.settle(sequences)
        return result
      }
      if (!this.#evictFor(result)) return result
    }
  }

  async stepAsync(sequences: Uint32Array, lengths: Uint32Array): Promise<StepResult> {
    checkStep(sequences, lengths)
    this.#calls.check()
    const ids = sequences.slice()
    const wanted = lengths.slice()
    for (;;) {
      let numbers: Float64Array
      try {
        numbers = await this.#native.stepAsync(ids, wanted)
      } catch (error) {
        throw this.#calls.typed(error, ids, this.#native)
      }
      const result = toStepResult(numbers)
      if (result.status === 'ok') {
        this.#prefixes.settle(ids)
        return result
      }
      if (this.#owner.disposed || !this.#evictFor(result)) return result
    }
  }

  publish(sequence: Sequence, tokens: Uint32Array, salt = ''): void {
    checkPublish(tokens, salt)
    this.#calls.ofSequence(sequence, this.#native, () => {
      const backed = this.#native.backedLength(sequence)
      if (tokens.length > backed) {
        const expected = `at most the ${backed} tokens that step has backed`
        throw errors.invalidArgument('tokens', expected, String(tokens.length))
      }
      this.#prefixes.publish(sequence, tokens, salt)
    })
  }

  truncate(sequence: Sequence, length: number, after?: Fence): void {
    this.#shorten('truncate', 'length', sequence, length, after)
  }

  slide(sequence: Sequence, firstToken: number, after?: Fence): void {
    this.#shorten('slide', 'firstToken', sequence, firstToken, after)
  }

  free(sequence: Sequence, after?: Fence): void {
    const fence = nativeAfter(after)
    this.#calls.ofSequence(sequence, this.#native, () => this.#native.free(sequence, fence))
    this.#prefixes.forget(sequence)
  }

  /**
   * A point in `stream`'s order, for `after`. A stream that the cache does not know yet is attached.
   * @throws `ERR_VATTENTION_INVALID_ARGUMENT` for a stream of another device.
   */
  recordFence(stream: Stream): Fence {
    this.#meet(stream)
    return this.#onStream(stream, (...to) => new StreamFence(this.#native.recordFence(...to)))
  }

  /** @throws `ERR_VATTENTION_INVALID_ARGUMENT` for a stream of another device. */
  waitReady(stream: Stream): void {
    this.#meet(stream)
    this.#onStream(stream, (...to) => this.#native.waitReady(...to))
  }

  /**
   * From now on pages leave sequences only behind what `stream` has been given until then. Counted:
   * attached twice, a stream is to be detached twice.
   */
  attachStream(stream: Stream): void {
    checkAnyStream(stream)
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

  view(): ContiguousView {
    this.#calls.check()
    return this.#view
  }

  /**
   * Exports the first tokens of sequences for other processes: as file descriptors with a manifest
   * for `importPages`, or for whoever reads `docs/guide/sharing-pages.md`.
   *
   * The pages stay as they are until the export is disposed: a sequence that is truncated and
   * stepped again writes to a copy. Tokens that `step` has backed and nobody has computed yet are
   * written in place, so leave them out by `lengths`. On a GPU each page takes one descriptor of
   * the process; on the CPU one descriptor shows the memory of the whole cache to whoever has it.
   *
   * @param sequences Exported in this order; one may come twice.
   * @throws `ERR_VATTENTION_INVALID_ARGUMENT` for more tokens than are backed and for sequences that
   * have slid; `ERR_VATTENTION_INVALID_OPTIONS`; `ERR_VATTENTION_STALE_SEQUENCE`;
   * `ERR_VATTENTION_BUSY` while an attached stream is being captured; `ERR_VATTENTION_UNSUPPORTED`
   * on a GPU that shares no memory; `ERR_VATTENTION_DEVICE`, when the process may not open so many
   * files for example.
   * @example
   * ```ts
   * using pages = cache.exportPages(Uint32Array.of(sequence), { lengths: Uint32Array.of(300) })
   * await pages.ready.wait()
   * // The child has them as descriptors 3, 4, ...: `stdio` passes any number on.
   * const child = spawn(process.execPath, ['reader.js'], {
   *   stdio: ['inherit', 'inherit', 'inherit', ...pages.files, 'ipc'],
   * })
   * child.send(pages.manifest)
   * ```
   */
  exportPages(sequences: Uint32Array, options: ExportPagesOptions = {}): PageExport {
    checkExportPages(sequences, options)
    this.#calls.check()
    const { lengths, writable = false } = options
    const { PageExport: NativeExport } = addon()
    try {
      return new PageExport(new NativeExport(this.native, sequences, lengths, writable))
    } catch (error) {
      if (!NativeCalls.isStatus(error, nativeStatus.notBacked)) {
        throw this.#calls.typed(error, sequences, this.#native)
      }
      throw this.#notExportable(sequences, lengths) ?? this.#calls.typed(error)
    }
  }

  stats(): CacheStats {
    return this.#calls.run(() => this.#readStats())
  }

  /**
   * Changes the limit at run time. What it holds beyond a lower one goes back to the system: free
   * and parked pages, then prefixes that nobody uses. Live sequences keep what they have.
   */
  setLimit(bytes: number): void {
    checkLength('bytes', bytes, Number.MAX_SAFE_INTEGER, 1)
    this.#calls.run(() => {
      this.#native.setLimit(bytes)
      for (;;) {
        const { totalBytes, retainedBytes } = this.#readStats()
        const excess = totalBytes - bytes
        if (excess <= 0 || retainedBytes === 0 || this.#prefixes.evict(excess) === 0) return
        // Setting it again gives back what has become free.
        this.#native.setLimit(bytes)
      }
    })
  }

  /** Gives memory that no sequence uses back to the system; returns how many bytes. */
  trim(options: TrimOptions = {}): number {
    checkTrim(options)
    return this.#calls.run(() => {
      if (options.prefixes) this.#prefixes.clear()
      return this.#native.trim(options.keepBytes ?? 0)
    })
  }

  /** `trim` off the JavaScript thread. */
  async trimAsync(options: TrimOptions = {}): Promise<number> {
    checkTrim(options)
    return this.#calls.runAsync(() => {
      if (options.prefixes) this.#prefixes.clear()
      return this.#native.trimAsync(options.keepBytes ?? 0)
    })
  }

  /** The last `traceEvents` events, oldest first. `toChromeTrace` makes a file of them. */
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
   * For tests: checks that every page is in one state, that states sum to the total, that
   * references are counted right, and the prefix index. Takes time with the number of pages.
   * @throws `ERR_VATTENTION_INTERNAL` with what does not hold.
   */
  check(): void {
    this.#calls.run(() => this.#native.check())
    this.#prefixes.check()
  }

  /**
   * Gives everything back. A second call does nothing.
   * @throws `ERR_VATTENTION_BUSY`, nothing done, while promises or streams are in flight.
   */
  [Symbol.dispose](): void {
    if (this.#owner.disposed) return
    const pending = this.#native.pending()
    if (pending > 0) {
      throw errors.busy(
        `The cache has ${pending} calls in flight. Await them first, or use disposeAsync().`,
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

  #readStats(): CacheStats {
    this.#native.stats(this.#statsNumbers)
    return toCacheStats(this.#statsNumbers, this.#prefixes.counts)
  }

  async #close(): Promise<void> {
    for (;;) {
      try {
        return this.dispose()
      } catch (error) {
        if ((error as Partial<Error & { code: string }>).code !== 'ERR_VATTENTION_BUSY') throw error
      }
      await new Promise((resolve) => setTimeout(resolve, disposePauseMs))
    }
  }

  /** Whether something was given up that a step out of memory could use. */
  #evictFor({ limit, neededBytes, pendingBytes }: OutOfMemory): boolean {
    // Prefixes hold pages, not mappings; and what waits for fences comes without giving up any.
    if (limit === 'mappings' || neededBytes <= pendingBytes) return false
    return this.#prefixes.evict(neededBytes - pendingBytes) > 0
  }

  #shorten(
    what: 'truncate' | 'slide',
    name: string,
    sequence: Sequence,
    token: number,
    after: Fence | undefined,
  ): void {
    checkLength(name, token, this.shape.maxLength)
    const fence = nativeAfter(after)
    this.#calls.ofSequence(sequence, this.#native, () =>
      this.#withinBacked(sequence, name, token, () => this.#native[what](sequence, token, fence)),
    )
    this.#prefixes[what](sequence, token)
  }

  /** A call with a number of tokens that must not go beyond what is backed. */
  #withinBacked<Result>(
    sequence: Sequence,
    name: string,
    tokens: number,
    call: () => Result,
  ): Result {
    try {
      return call()
    } catch (error) {
      if (!NativeCalls.isStatus(error, nativeStatus.notBacked)) throw error
      const backed = this.#native.backedLength(sequence)
      const expected = `at most the ${backed} tokens that step has backed`
      throw errors.invalidArgument(name, expected, String(tokens))
    }
  }

  /** Which sequence has not got what was to be exported of it. */
  #notExportable(sequences: Uint32Array, lengths?: Uint32Array): Error | undefined {
    for (const [i, sequence] of sequences.entries()) {
      const backed = this.#native.backedLength(sequence)
      const length = lengths?.[i] ?? backed
      if (length > backed) {
        const expected = `at most the ${backed} tokens that step has backed of sequence ${sequence}`
        return errors.invalidArgument('lengths', expected, String(length))
      }
      const first = this.#native.firstKept(sequence)
      if (first > 0 && length > 0) {
        const found = `sequence ${sequence}, which begins at token ${first}`
        return errors.invalidArgument('sequences', 'sequences that have not slid', found)
      }
    }
    return undefined
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
}

function nativeAfter(fence: Fence | undefined): NativeFence | undefined {
  return fence === undefined ? undefined : StreamFence.native('after', fence)
}
