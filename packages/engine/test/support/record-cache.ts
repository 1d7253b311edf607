/**
 * A KV cache in plain JavaScript whose "keys and values" are the tokens themselves: whoever reads a
 * row sees which token was written there. Blocks, reference counts, prefix sharing, eviction and
 * all-or-nothing steps are those of a paged cache, so that a scheduler can be tested without native
 * code, and wrong contents show as wrong tokens.
 */
import {
  cpu,
  errors,
  type AllocateOptions,
  type Allocation,
  type CacheStats,
  type Fence,
  type KvCache,
  type KvCacheShape,
  type PagedView,
  type Sequence,
  type StepResult,
} from '@vattention/interface'

interface Block {
  readonly records: Int32Array
  references: number
  /** Under which prefix it is known, if it is. */
  key: string | undefined
  lastUse: number
}

interface Entry {
  blocks: Block[]
  backed: number
}

/** Options of a `RecordCache`. */
export interface RecordCacheOptions {
  readonly blocks: number
  /** Defaults to 16. */
  readonly blockTokens?: number
  /** Defaults to 64. */
  readonly maxSequences?: number
  /** Defaults to 1024. */
  readonly maxLength?: number
}

/** "Bytes" of a token. */
const tokenBytes = 4

export class RecordCache implements KvCache {
  readonly kind = 'paged'
  readonly device = cpu
  readonly shape: KvCacheShape
  readonly blockTokens: number
  /** While true, freed blocks wait as if behind a fence. */
  holdsFreed = false
  /** Thrown by the next step, once. */
  nextStepError: Error | undefined
  steps = 0
  readonly #entries = new Map<Sequence, Entry>()
  readonly #known = new Map<string, Block>()
  readonly #condemned: Block[] = []
  #blocks: number
  #used = 0
  #clock = 0
  #next = 1
  #outOfMemory = 0

  constructor({
    blocks,
    blockTokens = 16,
    maxSequences = 64,
    maxLength = 1024,
  }: RecordCacheOptions) {
    this.#blocks = blocks
    this.blockTokens = blockTokens
    this.shape = {
      layers: 1,
      kvHeads: 1,
      headDim: 1,
      valueHeadDim: 1,
      dtype: 'float32',
      maxSequences,
      maxLength,
    }
  }

  allocate({ prefix, salt = '' }: AllocateOptions = {}): Allocation | undefined {
    if (this.#entries.size >= this.shape.maxSequences) return undefined
    const blocks: Block[] = []
    for (let end = this.blockTokens; prefix && end <= prefix.length - 1; end += this.blockTokens) {
      const block = this.#known.get(key(salt, prefix.subarray(0, end)))
      if (!block) break
      this.#reference(block)
      blocks.push(block)
    }
    const sequence = this.#next++ as Sequence
    const backed = blocks.length * this.blockTokens
    this.#entries.set(sequence, { blocks, backed })
    return { sequence, sharedLength: backed }
  }

  fork(): Sequence | undefined {
    throw errors.unsupported('RecordCache does not fork.')
  }

  step(sequences: Uint32Array, lengths: Uint32Array): StepResult {
    this.steps++
    const error = this.nextStepError
    this.nextStepError = undefined
    if (error) throw error
    const entries = [...sequences].map((sequence) => this.#entry(sequence))
    const wanted = entries.map(({ blocks }, i) =>
      Math.max(0, Math.ceil(lengths[i]! / this.blockTokens) - blocks.length),
    )
    const needed = wanted.reduce((sum, count) => sum + count, 0)
    const evictable = this.#idle()
    const free = this.#blocks - this.#used - this.#condemned.length
    if (needed > free + evictable.length) {
      this.#outOfMemory++
      return {
        status: 'outOfMemory',
        limit: 'bytes',
        neededBytes: (needed - free - evictable.length) * this.#blockBytes,
        pendingBytes: this.#condemned.length * this.#blockBytes,
        evictableBytes: evictable.length * this.#blockBytes,
      }
    }
    for (const block of evictable.slice(0, Math.max(0, needed - free))) {
      this.#known.delete(block.key!)
      this.#used--
    }
    for (const [i, entry] of entries.entries()) {
      for (let added = 0; added < wanted[i]!; added++) {
        this.#used++
        const records = new Int32Array(this.blockTokens).fill(-1)
        entry.blocks.push({ records, references: 1, key: undefined, lastUse: 0 })
      }
      entry.backed = Math.max(entry.backed, lengths[i]!)
    }
    const mappedBytes = needed * this.#blockBytes
    return { status: 'ok', mappedBytes, driverCalls: needed > 0 ? 1 : 0 }
  }

  async stepAsync(sequences: Uint32Array, lengths: Uint32Array): Promise<StepResult> {
    await new Promise((resume) => setImmediate(resume))
    return this.step(sequences, lengths)
  }

  publish(sequence: Sequence, tokens: Uint32Array, salt = ''): void {
    const { blocks } = this.#entry(sequence)
    for (let i = 0; (i + 1) * this.blockTokens <= tokens.length; i++) {
      const name = key(salt, tokens.subarray(0, (i + 1) * this.blockTokens))
      const block = blocks[i]!
      if (this.#known.has(name) || block.key !== undefined) continue
      block.key = name
      this.#known.set(name, block)
    }
  }

  truncate(): void {
    throw errors.unsupported('RecordCache does not truncate.')
  }

  slide(): void {
    // Nothing is given back early.
  }

  free(sequence: Sequence): void {
    for (const block of this.#entry(sequence).blocks) {
      block.lastUse = ++this.#clock
      if (--block.references > 0 || block.key !== undefined) continue
      this.#used--
      if (this.holdsFreed) this.#condemned.push(block)
    }
    this.#entries.delete(sequence)
  }

  /** The fences that freed blocks waited for have passed. */
  passFences(): void {
    this.holdsFreed = false
    this.#condemned.length = 0
  }

  recordFence(): Fence {
    throw errors.unsupported('RecordCache has no fences.')
  }

  waitReady(): void {
    // Nothing is asynchronous.
  }

  backedLength(sequence: Sequence): number {
    return this.#entry(sequence).backed
  }

  view(): PagedView {
    return {
      kind: 'paged',
      layout: 'nhd',
      blockTokens: this.blockTokens,
      blocks: this.#blocks,
      finiteTail: true,
      layers: [],
      blockTables: () => 0,
    }
  }

  stats(): CacheStats {
    const mapped = this.#used - this.#idle().length
    const bytes = (blocks: number) => blocks * this.#blockBytes
    const zeros = Object.fromEntries(statNames.map((name) => [name, 0])) as unknown as CacheStats
    return {
      ...zeros,
      liveSequences: this.#entries.size,
      limitBytes: bytes(this.#blocks),
      totalBytes: bytes(this.#blocks),
      reservedBytes: bytes(this.#blocks),
      mappedBytes: bytes(mapped),
      neededBytes: bytes(mapped),
      retainedBytes: bytes(this.#used - mapped),
      condemnedBytes: bytes(this.#condemned.length),
      freeBytes: bytes(this.#blocks - this.#used - this.#condemned.length),
      steps: this.steps,
      stepsOutOfMemory: this.#outOfMemory,
    }
  }

  setLimit(bytes: number): void {
    this.#blocks = Math.floor(bytes / this.#blockBytes)
  }

  /** Writes the row of token `position`. A block that others see is never written. */
  write(sequence: number, position: number, token: number): void {
    const entry = this.#entry(sequence)
    if (position >= entry.backed)
      throw new Error(`row ${position} is beyond ${entry.backed} backed`)
    const block = entry.blocks[Math.floor(position / this.blockTokens)]!
    if (block.references !== 1) throw new Error(`row ${position} lies in a shared block`)
    block.records[position % this.blockTokens] = token
  }

  /** The first `length` rows. */
  read(sequence: number, length: number): number[] {
    const { blocks } = this.#entry(sequence)
    return Array.from(
      { length },
      (_, i) => blocks[Math.floor(i / this.blockTokens)]!.records[i % this.blockTokens]!,
    )
  }

  [Symbol.dispose](): void {
    this.#entries.clear()
  }

  get #blockBytes(): number {
    return this.blockTokens * tokenBytes
  }

  #entry(sequence: number): Entry {
    const entry = this.#entries.get(sequence as Sequence)
    if (!entry) throw errors.staleSequence(sequence)
    return entry
  }

  #reference(block: Block): void {
    block.references++
  }

  /** Known blocks that no sequence has, least recently used first. */
  #idle(): Block[] {
    return [...this.#known.values()]
      .filter(({ references }) => references === 0)
      .sort((a, b) => a.lastUse - b.lastUse)
  }
}

const key = (salt: string, tokens: Uint32Array) => `${salt}/${tokens.join(',')}`

const statNames: readonly (keyof CacheStats)[] = [
  'aheadBytes',
  'surplusBytes',
  'parkedBytes',
  'usedBytes',
  'sharedBytes',
  'wasteBytes',
  'liveMappings',
  'mappingBudget',
  'stepsMappedSync',
  'driverCalls',
  'pagesCreated',
  'pagesReleased',
  'pagesMapped',
  'pagesUnmapped',
  'adoptions',
  'evictions',
  'prefixQueries',
  'prefixQueryTokens',
  'prefixHitTokens',
  'aliasedTokens',
  'copiedTokens',
  'copiedBytes',
  'zeroedBytes',
]
