/**
 * A cache, a plan over it, and sequences whose content is known: what a backend case plays in.
 */
import {
  dtypeBytes,
  type AttentionBackend,
  type AttentionConfig,
  type AttentionPlan,
  type ContiguousCacheOptions,
  type KvCache,
  type PagedCacheOptions,
  type PlanLimits,
  type Sequence,
  type StepResult,
} from '@vattention/interface'

import { CacheRows } from '../cache-rows.ts'
import { expect, expectSameBits } from '../expect.ts'
import type { Memory } from '../memory.ts'
import { roundAll } from '../number-formats.ts'
import type { BackendSubject } from '../subject.ts'
import { dequantize, float8Scales, float8ScaleTensors, quantize } from './float8-scales.ts'
import type { DescribedConfig } from './needs.ts'
import { randomContent, Tracked, type RowContent, type RowKind } from './tracked.ts'

/** How large a scene is. */
export interface SceneOptions {
  /** Longest length of each sequence that will be live at once. */
  readonly lengths: readonly number[]
  /** Rows of query in one pass. */
  readonly tokens: number
  /** Content of rows. Defaults to random values of unit variance. */
  readonly content?: RowContent
  /** Of the cache, over what the configuration says. */
  readonly contiguous?: Partial<ContiguousCacheOptions>
  readonly paged?: Partial<PagedCacheOptions>
  /** Of the plan, over what the lengths need. */
  readonly limits?: Partial<PlanLimits>
  /** Slots. Defaults to one per length. */
  readonly sequences?: number
  /** Longest length that the cache allows. Defaults to the longest of `lengths`. */
  readonly maxLength?: number
}

/** See the file's head. */
export class Scene implements Disposable {
  readonly backend: AttentionBackend
  readonly memory: Memory
  readonly cache: KvCache
  readonly plan: AttentionPlan
  readonly rows: CacheRows
  readonly config: AttentionConfig
  readonly limits: PlanLimits
  readonly content: RowContent
  /** As in `BackendSubject`. */
  readonly sumsRounded: boolean
  /** Likewise, where the cache is of float8. */
  readonly multipliesInFloat8: boolean
  readonly tracked: Tracked[] = []
  #nextLabel = 1

  constructor(
    subject: BackendSubject,
    memory: Memory,
    config: DescribedConfig,
    options: SceneOptions,
  ) {
    this.backend = subject.backend
    this.sumsRounded = subject.sumsRounded ?? false
    const { dtype } = config.cache.shape
    this.multipliesInFloat8 = (subject.multipliesInFloat8 ?? false) && dtype === 'float8_e4m3'
    this.memory = memory
    this.content = options.content ?? randomContent
    this.cache = makeCache(subject, config, options)
    try {
      const { shape } = this.cache
      this.rows = new CacheRows(this.cache, memory)
      this.config = {
        ...config,
        cache: this.cache,
        ...(shape.dtype === 'float8_e4m3' && {
          fp8Scales: float8ScaleTensors(memory, shape.kvHeads),
        }),
      }
      this.limits = {
        maxSequences: shape.maxSequences,
        maxTokens: Math.max(1, options.tokens),
        maxLength: shape.maxLength,
        ...options.limits,
      }
      this.plan = this.backend.createPlan(this.config, this.limits)
    } catch (error) {
      this.cache[Symbol.dispose]()
      throw error
    }
  }

  get layers(): number {
    return this.cache.shape.layers
  }

  /** A new sequence without tokens. The same label has the same tokens in every scene. */
  allocate(label = this.#nextLabel): Tracked {
    const allocation = this.cache.allocate()
    expect(allocation !== undefined, 'allocate: expected a slot, found none')
    return this.track(allocation.sequence, label)
  }

  /** Follows a sequence that someone else made. */
  track(handle: Sequence, label = this.#nextLabel): Tracked {
    this.#nextLabel = Math.max(this.#nextLabel, label) + 1
    const tracked = new Tracked(handle, label, this.layers)
    this.tracked.push(tracked)
    return tracked
  }

  /** Backs lengths, which has to succeed. */
  step(sequences: readonly Tracked[], lengths: readonly number[]): StepResult {
    const handles = Uint32Array.from(sequences, ({ handle }) => handle)
    const result = this.cache.step(handles, Uint32Array.from(lengths))
    expect(result.status === 'ok', `step: expected ok, found ${JSON.stringify(result)}`)
    return result
  }

  /** A sequence with `length` tokens, written behind the backend's back. */
  add(length: number, { label, backed = length }: { label?: number; backed?: number } = {}) {
    const tracked = this.allocate(label)
    if (backed > 0) this.step([tracked], [backed])
    this.write(tracked, length)
    return tracked
  }

  /** Writes tokens up to `length` into the cache, all layers. */
  write(tracked: Tracked, length: number): void {
    for (let layer = 0; layer < this.layers; layer++) {
      for (const kind of ['key', 'value'] as const) {
        const rows = this.makeRows(tracked, kind, layer, tracked.length, length - tracked.length)
        this.noteRows(tracked, kind, layer, tracked.length, rows)
        this.storeRows(tracked, kind, layer, tracked.length, rows)
      }
    }
    tracked.length = Math.max(tracked.length, length)
  }

  /**
   * What is given to the backend: rows rounded to the dtype of query, key and value; queries of
   * kernels that multiply in float8 to that, so that rounding them again changes nothing.
   */
  makeRows(tracked: Tracked, kind: RowKind, layer: number, from: number, count: number) {
    const { headDim } = this.cache.shape
    const width = kind === 'query' ? this.config.queryHeads * headDim : this.rows.width(kind)
    const rows = tracked.rows(this.content, kind, layer, from, Math.max(0, count), width)
    if (kind === 'query' && this.multipliesInFloat8) roundAll('float8_e4m3', rows)
    return roundAll(this.config.dtype, rows)
  }

  /** Notes rows that have been or will be appended, as the cache rounds them. */
  noteRows(
    tracked: Tracked,
    kind: 'key' | 'value',
    layer: number,
    from: number,
    rows: Float32Array,
  ): void {
    const loaded = this.#loaded(kind, this.#stored(kind, rows.slice()))
    tracked.note(kind, layer, from, this.rows.width(kind), loaded)
  }

  /** Writes rows into the cache as `append` would. */
  storeRows(
    tracked: Tracked,
    kind: 'key' | 'value',
    layer: number,
    from: number,
    rows: Float32Array,
  ): void {
    this.rows.write(tracked.handle, layer, kind, from, this.#stored(kind, rows.slice()))
  }

  /** Shares the first `length` tokens of a sequence; visible after the next step. */
  fork(source: Tracked, length: number, label?: number): Tracked {
    const handle = this.cache.fork(source.handle, length)
    expect(handle !== undefined, 'fork: expected a slot, found none')
    const tracked = this.track(handle, label)
    tracked.copyFrom(source, length)
    return tracked
  }

  truncate(tracked: Tracked, length: number): void {
    this.cache.truncate(tracked.handle, length)
    tracked.length = Math.min(tracked.length, length)
    tracked.revision++
  }

  slide(tracked: Tracked, firstToken: number): void {
    this.cache.slide(tracked.handle, firstToken)
    tracked.firstKept = Math.max(tracked.firstKept, firstToken)
  }

  free(tracked: Tracked): void {
    this.cache.free(tracked.handle)
    this.tracked.splice(this.tracked.indexOf(tracked), 1)
  }

  /** Fills tokens `[from, to)` with NaN, in all layers. The kit knows nothing of them afterwards. */
  poison(tracked: Tracked, from: number, to: number): void {
    for (let layer = 0; layer < this.layers; layer++) {
      for (const kind of ['key', 'value'] as const) {
        const rows = new Float32Array(Math.max(0, to - from) * this.rows.width(kind)).fill(NaN)
        this.rows.write(tracked.handle, layer, kind, from, rows)
      }
    }
  }

  /** Fails unless the cache holds exactly the tokens that it should, bit for bit. */
  expectContent(tracked: Tracked, what: string): void {
    const { firstKept, length } = tracked
    for (let layer = 0; layer < this.layers; layer++) {
      for (const kind of ['key', 'value'] as const) {
        const width = this.rows.width(kind)
        const shadow = (kind === 'key' ? tracked.keys : tracked.values)[layer]!
        const found = this.rows.read(tracked.handle, layer, kind, firstKept, length)
        expectSameBits(
          this.#loaded(kind, found),
          shadow.subarray(firstKept * width, length * width),
          `${what}: ${kind} of sequence ${tracked.label}, layer ${layer}`,
          (index) => `token ${firstKept + Math.floor(index / width)} element ${index % width}`,
        )
      }
    }
  }

  [Symbol.dispose](): void {
    this.plan[Symbol.dispose]()
    this.cache[Symbol.dispose]()
  }

  #scales(kind: 'key' | 'value'): Float32Array | undefined {
    const { dtype, kvHeads } = this.cache.shape
    return dtype === 'float8_e4m3' ? float8Scales(kind, kvHeads) : undefined
  }

  #dim(kind: 'key' | 'value'): number {
    return kind === 'key' ? this.cache.shape.headDim : this.cache.shape.valueHeadDim
  }

  /** What the cache stores for `rows`, rounding them in place. */
  #stored(kind: 'key' | 'value', rows: Float32Array): Float32Array {
    const scales = this.#scales(kind)
    if (scales) return quantize(rows, scales, this.#dim(kind))
    return roundAll(this.cache.shape.dtype, rows)
  }

  /** What a backend reads for stored rows, in place. */
  #loaded(kind: 'key' | 'value', rows: Float32Array): Float32Array {
    const scales = this.#scales(kind)
    return scales ? dequantize(rows, scales, this.#dim(kind)) : rows
  }
}

/** Room for the mapper to work ahead, pages that are not full, and blocks to scatter. */
function cacheBytes({ cache }: DescribedConfig, lengths: readonly number[], sequences: number) {
  const { layers, kvHeads, headDim, valueHeadDim, dtype } = cache.shape
  const tokenBytes = layers * kvHeads * (headDim + valueHeadDim) * dtypeBytes[dtype]
  const granule = cache.kind === 'paged' ? (cache.blockTokens ?? 16) : 1
  const tokens = lengths.reduce(
    (sum, length) => sum + (Math.ceil(length / granule) + 2) * granule,
    0,
  )
  const bytes = tokens * tokenBytes
  // A contiguous cache's limit is no reservation; pages of 2 MiB in every tensor must fit.
  return cache.kind === 'paged'
    ? Math.ceil(bytes * 1.5) + 8 * granule * tokenBytes
    : 2 * bytes + (sequences + 2) * 2 * layers * (4 << 20)
}

function makeCache(
  subject: BackendSubject,
  config: DescribedConfig,
  options: SceneOptions,
): KvCache {
  const { cache } = config
  const { lengths } = options
  const { capabilities } = subject.backend
  const sequences = options.sequences ?? lengths.length
  const common = {
    ...cache.shape,
    maxSequences: sequences,
    maxLength: options.maxLength ?? Math.max(1, ...lengths),
    device: subject.backend.device,
    limitBytes: cacheBytes(config, lengths, sequences),
  }
  if (cache.kind === 'paged') {
    return subject.caches.paged!({
      ...common,
      ...(cache.blockTokens !== undefined && { blockTokens: cache.blockTokens }),
      ...(cache.poolLayout !== undefined && { poolLayout: cache.poolLayout }),
      ...options.paged,
    })
  }
  return subject.caches.contiguous!({
    ...common,
    ...(cache.layout !== undefined && { layout: cache.layout }),
    tailRows: capabilities.tailRows,
    ...(capabilities.leadRows > 0 && { leadRows: capabilities.leadRows }),
    ...options.contiguous,
  })
}
