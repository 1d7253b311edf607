/**
 * What the two caches of this folder share: handles, lengths, checks and books. Small, synchronous,
 * with no prefix index: enough to show that the kit takes a cache written in JavaScript.
 */
import {
  cpu,
  dtypeBytes,
  dtypes,
  errors,
  oneOf,
  optionReasons,
  positiveInteger,
  required,
  type AllocateOptions,
  type Allocation,
  type CacheStats,
  type CacheView,
  type ContiguousCacheOptions,
  type Fence,
  type KvCache,
  type KvCacheShape,
  type OptionRule,
  type PagedCacheOptions,
  type Sequence,
  type StepResult,
} from '@vattention/interface'

import type { Memory } from '../../src/memory.ts'

/** A live sequence. */
export interface Slot {
  readonly index: number
  generation: number
  live: boolean
  backed: number
  firstKept: number
}

const anything: OptionRule = { expected: 'anything', check: () => true }
const rules: Readonly<Record<string, OptionRule>> = {
  ...Object.fromEntries(
    ['layers', 'kvHeads', 'headDim', 'maxSequences', 'maxLength', 'limitBytes'].map((name) => [
      name,
      required(positiveInteger),
    ]),
  ),
  dtype: required(oneOf(...dtypes)),
  valueHeadDim: positiveInteger,
  ...Object.fromEntries(
    [
      'device',
      'blockTokens',
      'poolLayout',
      'layout',
      'tailRows',
      'leadRows',
      'mapAhead',
      'pageBytes',
    ].map((name) => [name, anything]),
  ),
}

const zeroStats = {
  ...{ aheadBytes: 0, surplusBytes: 0, retainedBytes: 0, parkedBytes: 0, condemnedBytes: 0 },
  ...{ liveMappings: 0, mappingBudget: 0, stepsMappedSync: 0, driverCalls: 0, pagesCreated: 0 },
  ...{ pagesReleased: 0, pagesMapped: 0, pagesUnmapped: 0, adoptions: 0, evictions: 0 },
  ...{ prefixQueries: 0, prefixQueryTokens: 0, prefixHitTokens: 0, aliasedTokens: 0 },
  ...{ copiedTokens: 0, copiedBytes: 0, zeroedBytes: 0 },
  stepNsHistogram: Array<number>(40).fill(0),
}

export abstract class JsKvCache implements KvCache {
  abstract readonly kind: 'contiguous' | 'paged'
  readonly device = cpu
  readonly shape: KvCacheShape
  protected readonly memory: Memory
  protected readonly slots: Slot[]
  protected readonly tokenBytes: number
  protected limitBytes: number
  #disposed = false
  #steps = 0
  #stepsOutOfMemory = 0

  constructor(options: ContiguousCacheOptions | PagedCacheOptions, memory: Memory) {
    const reasons = optionReasons(options, rules)
    if (reasons.length > 0) throw errors.invalidOptions('The cache', reasons)
    const { layers, kvHeads, headDim, valueHeadDim = headDim, dtype } = options
    const { maxSequences, maxLength, limitBytes } = options
    this.shape = { layers, kvHeads, headDim, valueHeadDim, dtype, maxSequences, maxLength }
    this.memory = memory
    this.limitBytes = limitBytes
    this.tokenBytes = layers * kvHeads * (headDim + valueHeadDim) * dtypeBytes[dtype]
    this.slots = Array.from({ length: maxSequences }, (_, index) => ({
      ...{ index, generation: 0, live: false, backed: 0, firstKept: 0 },
    }))
  }

  /** Bytes that `slot` would need more to hold `length` tokens. */
  protected abstract missingBytes(slot: Slot, length: number): number
  /** Bytes that could be given to someone. */
  protected abstract availableBytes(): number
  protected abstract grow(slot: Slot, length: number): void
  protected abstract shrink(slot: Slot, length: number): void
  protected abstract share(source: Slot, slot: Slot, length: number): void
  protected abstract drop(slot: Slot, before: number): void
  protected abstract bytes(): Pick<
    CacheStats,
    'mappedBytes' | 'usedBytes' | 'sharedBytes' | 'totalBytes' | 'reservedBytes'
  >
  protected abstract makeView(): CacheView
  #view: CacheView | undefined

  allocate(_options?: AllocateOptions): Allocation | undefined {
    this.alive()
    const slot = this.slots.find(({ live }) => !live)
    if (!slot) return undefined
    Object.assign(slot, { live: true, backed: 0, firstKept: 0, generation: slot.generation + 1 })
    return { sequence: this.#handle(slot), sharedLength: 0 }
  }

  fork(source: Sequence, length: number): Sequence | undefined {
    const from = this.resolve(source)
    this.#checkLength('length', length, from.backed)
    const allocation = this.allocate()
    if (!allocation) return undefined
    this.share(from, this.resolve(allocation.sequence), length)
    return allocation.sequence
  }

  step(sequences: Uint32Array, lengths: Uint32Array): StepResult {
    this.alive()
    if (!(sequences instanceof Uint32Array) || !(lengths instanceof Uint32Array)) {
      throw errors.invalidArgument('sequences and lengths', 'Uint32Arrays', 'others')
    }
    if (sequences.length !== lengths.length || new Set(sequences).size !== sequences.length) {
      throw errors.invalidArgument('sequences', 'each once, with a length', 'others')
    }
    const slots = Array.from(sequences, (sequence) => this.resolve(sequence as Sequence))
    for (const length of lengths) this.#checkLength('lengths', length, this.shape.maxLength)
    const missing = slots.reduce((sum, slot, i) => sum + this.missingBytes(slot, lengths[i]!), 0)
    const available = this.availableBytes()
    if (missing > available) {
      this.#stepsOutOfMemory++
      const neededBytes = missing - available
      return {
        status: 'outOfMemory',
        limit: 'bytes',
        neededBytes,
        pendingBytes: 0,
        evictableBytes: 0,
      }
    }
    for (const [i, slot] of slots.entries()) {
      this.grow(slot, Math.max(slot.backed, lengths[i]!))
      slot.backed = Math.max(slot.backed, lengths[i]!)
    }
    this.#steps++
    return { status: 'ok', mappedBytes: missing, driverCalls: 0 }
  }

  async stepAsync(sequences: Uint32Array, lengths: Uint32Array): Promise<StepResult> {
    return this.step(sequences, lengths)
  }

  publish(sequence: Sequence, tokens: Uint32Array): void {
    const { backed } = this.resolve(sequence)
    if (!(tokens instanceof Uint32Array))
      throw errors.invalidArgument('tokens', 'a Uint32Array', '?')
    this.#checkLength('tokens', tokens.length, backed)
  }

  truncate(sequence: Sequence, length: number, _after?: Fence): void {
    const slot = this.resolve(sequence)
    this.#checkLength('length', length, slot.backed)
    this.shrink(slot, length)
    slot.backed = length
  }

  slide(sequence: Sequence, firstToken: number, _after?: Fence): void {
    const slot = this.resolve(sequence)
    this.#checkLength('firstToken', firstToken, slot.backed)
    this.drop(slot, firstToken)
    slot.firstKept = Math.max(slot.firstKept, firstToken)
  }

  free(sequence: Sequence, _after?: Fence): void {
    const slot = this.resolve(sequence)
    this.shrink(slot, 0)
    slot.live = false
  }

  recordFence(): Fence {
    return { done: true, wait: () => Promise.resolve(), [Symbol.dispose]: () => undefined }
  }

  waitReady(): void {
    this.alive()
  }

  backedLength(sequence: Sequence): number {
    return this.resolve(sequence).backed
  }

  view(): CacheView {
    this.alive()
    return (this.#view ??= this.makeView())
  }

  stats(): CacheStats {
    this.alive()
    const bytes = this.bytes()
    return {
      ...zeroStats,
      ...bytes,
      limitBytes: this.limitBytes,
      neededBytes: bytes.mappedBytes,
      wasteBytes: bytes.mappedBytes - bytes.usedBytes,
      freeBytes: bytes.totalBytes - bytes.mappedBytes,
      liveSequences: this.slots.filter(({ live }) => live).length,
      steps: this.#steps,
      stepsOutOfMemory: this.#stepsOutOfMemory,
    }
  }

  setLimit(bytes: number): void {
    this.alive()
    this.#checkLength('bytes', bytes, Number.MAX_SAFE_INTEGER)
    this.limitBytes = bytes
  }

  [Symbol.dispose](): void {
    this.#disposed = true
  }

  protected alive(): void {
    if (this.#disposed) throw errors.disposed('The cache')
  }

  protected resolve(sequence: Sequence): Slot {
    this.alive()
    const slot = this.slots[sequence & 0xffff]
    if (!slot?.live || this.#handle(slot) !== sequence) throw errors.staleSequence(sequence)
    return slot
  }

  #handle({ index, generation }: Slot): Sequence {
    return (((generation << 16) | index) >>> 0) as Sequence
  }

  #checkLength(name: string, value: number, most: number): void {
    if (Number.isSafeInteger(value) && value >= 0 && value <= most) return
    throw errors.invalidArgument(name, `an integer of 0..${most}`, String(value))
  }
}
