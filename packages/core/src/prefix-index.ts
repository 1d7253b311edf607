/**
 * The prefix index: which prompts' beginnings are in the cache already. Policy only: it knows
 * tokens and decides; the pages belong to native *spans*, one for each block.
 *
 *   root -- block of tokens 0..15 of a salt -- block 16..31 -- ...
 *        \- another block 0..15             \- another block 16..31
 *
 * A *block* is a fixed number of tokens after exactly those on its path. Sixteen tokens is the
 * default: a miss costs at most fifteen tokens of prefill, less than one row tile of a matrix
 * product, and the chain of a prompt of 4096 tokens still is only 256 spans.
 *
 * Every live sequence *uses* a path from the root to one block: what it was allocated with and what
 * it published. Blocks in use are not evicted: their pages are mapped anyway. A block that nobody
 * uses is *idle*. A block is in use only when its parent is, goes idle before it and is touched
 * before it, so that the least recently used idle block always is a leaf: eviction takes the least
 * recently used first, and the deepest of those.
 */
import {
  adoptChild,
  hasTokens,
  IdleList,
  leavesFirst,
  newBlock,
  removeChild,
  type Block,
} from './prefix-block.ts'

/** Who owns the pages. */
export interface SpanStore {
  /** Fills `out` with spans of `block` tokens each, from token `from` of `sequence` on. */
  create(sequence: number, from: number, block: number, out: Uint32Array): void
  /** Returns the bytes that stopped being retained. */
  release(span: number): number
  /** Bytes that nothing but spans holds. */
  retainedBytes(): number
}

/** What the index can share with a new sequence. */
export interface PrefixMatch {
  /** Tokens. */
  readonly length: number
  /** Spans that cover them from 0 on. */
  readonly spans: Uint32Array
  /** The last block that is shared, wholly or in part. */
  readonly last: Block
}

/** Lookups, tokens they asked for, tokens they shared, blocks given up for others. */
export interface PrefixCounts {
  queries: number
  queryTokens: number
  hitTokens: number
  evictions: number
}

/** A sequence's path. */
interface Path {
  /** Counts this sequence among its users unless it has slid. */
  leaf: Block
  /** The sequence has given up its first tokens: it keeps nothing from eviction, and adds nothing. */
  slid: boolean
  /** The last block that the sequence's first step will alias or copy. */
  pinned: Block | undefined
}

/** See the head of this file. */
export class PrefixIndex {
  readonly counts: PrefixCounts = { queries: 0, queryTokens: 0, hitTokens: 0, evictions: 0 }
  readonly #store: SpanStore
  readonly #blockTokens: number
  readonly #root = newBlock(undefined, '', new Uint32Array(0), 0, 0)
  readonly #idle = new IdleList()
  readonly #paths = new Map<number, Path>()
  /** Sequences that were allocated with a prefix and have not stepped. */
  readonly #pending = new Set<number>()
  // Whoever chooses tokens must not be able to choose blocks whose hashes collide.
  readonly #seed = Math.trunc(Math.random() * 2 ** 32)
  #blocks = 0

  constructor(store: SpanStore, blockTokens: number) {
    this.#store = store
    this.#blockTokens = blockTokens
  }

  /** Blocks it knows. */
  get blocks(): number {
    return this.#blocks
  }

  /** The longest known beginning of `prompt`, at most all but its last token. Counts a lookup. */
  match(prompt: Uint32Array, salt: string): PrefixMatch | undefined {
    this.counts.queries++
    this.counts.queryTokens += prompt.length
    const size = this.#blockTokens
    let last = this.#follow(this.#root, prompt, salt, Math.floor(prompt.length / size))
    const length = Math.min(last.depth * size, prompt.length - 1)
    if (length <= 0) return undefined
    // The last token is to be computed; that may be all that the last block would have given.
    if ((last.depth - 1) * size >= length) last = last.parent!
    const spans = new Uint32Array(last.depth)
    for (let block = last; block.parent !== undefined; block = block.parent) {
      spans[block.depth - 1] = block.span
    }
    return { length, spans, last }
  }

  /** `sequence` was allocated with `match`: until it has stepped, these spans must stay. */
  attach(sequence: number, match: PrefixMatch): void {
    const { last, length } = match
    this.counts.hitTokens += length
    const leaf = last.depth * this.#blockTokens > length ? last.parent! : last
    this.#use(leaf)
    this.#use(last)
    for (let block = last; block.parent !== undefined; block = block.parent) {
      if (block.pins++ > 0) break
    }
    this.#paths.set(sequence, { leaf, slid: false, pinned: last })
    this.#pending.add(sequence)
  }

  /** These sequences have stepped: what they share is theirs now. */
  settle(sequences: Uint32Array): void {
    if (this.#pending.size === 0) return
    for (const sequence of sequences) {
      if (this.#pending.delete(sequence)) this.#unpin(this.#paths.get(sequence)!)
    }
  }

  /** `child` will show the first `length` tokens of `source`. */
  fork(source: number, child: number, length: number): void {
    const path = this.#paths.get(source)
    if (path === undefined || (path.leaf.evicted && !path.slid)) return
    const { slid } = path
    const leaf = slid ? this.#root : this.#upTo(path.leaf, length)
    if (!slid) this.#use(leaf)
    this.#paths.set(child, { leaf, slid, pinned: undefined })
  }

  /**
   * The sequence's `tokens` are in the cache, written. Makes spans of those full blocks that are not
   * known yet; none for a sequence that has slid, since a prefix begins with what it gave up.
   */
  publish(sequence: number, tokens: Uint32Array, salt: string): void {
    const size = this.#blockTokens
    const full = Math.floor(tokens.length / size)
    const path = this.#paths.get(sequence) ?? this.#newPath(sequence)
    if (path.slid) return
    let last = path.leaf
    if (last !== this.#root) {
      if (last.evicted || last.salt !== salt) last = this.#root
      else if (last.depth > full) return
      else if (!hasTokens(last, tokens, (last.depth - 1) * size)) last = this.#root
    }
    last = this.#follow(last, tokens, salt, full)
    if (last.depth < full) {
      const spans = new Uint32Array(full - last.depth)
      this.#store.create(sequence, last.depth * size, size, spans)
      for (const span of spans) {
        const from = last.depth * size
        const block = tokens.slice(from, from + size)
        last = newBlock(last, salt, block, this.#hash(last, tokens, from, salt), span)
        adoptChild(last)
        this.#blocks++
      }
    }
    this.#moveTo(path, last)
  }

  /** The sequence forgot its tokens from `length` on. */
  truncate(sequence: number, length: number): void {
    const path = this.#paths.get(sequence)
    if (path === undefined || path.slid || path.leaf.evicted) return
    this.#moveTo(path, this.#upTo(path.leaf, length))
  }

  /** The sequence gave up its tokens before `firstToken`. */
  slide(sequence: number, firstToken: number): void {
    if (firstToken === 0) return
    const path = this.#paths.get(sequence) ?? this.#newPath(sequence)
    if (path.slid) return
    path.slid = true
    this.#unuse(path.leaf)
  }

  /** The sequence ended; what it published stays. */
  forget(sequence: number): void {
    const path = this.#paths.get(sequence)
    if (path === undefined) return
    this.#paths.delete(sequence)
    this.#pending.delete(sequence)
    this.#unpin(path)
    if (!path.slid) this.#unuse(path.leaf)
  }

  /**
   * Gives blocks up until `bytes` more are no longer retained: idle ones, least recently used and
   * deepest first; then, as long as anything is retained (by what sequences slid past, or computed
   * though it was known), any others that no allocation waits for.
   * @returns the bytes that stopped being retained
   */
  evict(bytes: number): number {
    let freed = 0
    for (let oldest = this.#idle.oldest; oldest !== undefined; oldest = this.#idle.oldest) {
      if (freed >= bytes) return freed
      freed += this.#evict(oldest)
    }
    if (freed >= bytes || this.#blocks === 0) return freed
    let retained = this.#store.retainedBytes()
    for (const block of leavesFirst(this.#root)) {
      if (freed >= bytes || retained <= 0) break
      if (block.pins > 0) continue
      const gone = this.#evict(block)
      retained -= gone
      freed += gone
    }
    return freed
  }

  /** Forgets everything that no sequence uses; returns the bytes that stopped being retained. */
  clear(): number {
    let freed = 0
    for (let oldest = this.#idle.oldest; oldest !== undefined; oldest = this.#idle.oldest) {
      freed += this.#evict(oldest)
    }
    return freed
  }

  /**
   * Checks what the head of this file says, for tests.
   * @throws Error for the first thing that does not hold.
   */
  check(): void {
    const order = new Map<Block, number>()
    for (let block = this.#idle.oldest; block !== undefined; block = block.newer) {
      order.set(block, order.size)
    }
    const claim = (holds: boolean, what: string) => {
      if (!holds) throw new Error(`The prefix index is broken: ${what}.`)
    }
    const ends = new Map<Block, number>()
    for (const path of this.#paths.values()) {
      if (!path.slid) ends.set(path.leaf, (ends.get(path.leaf) ?? 0) + 1)
      if (path.pinned) ends.set(path.pinned, (ends.get(path.pinned) ?? 0) + 1)
    }
    const used = new Map<Block, number>()
    let blocks = 0
    for (const block of leavesFirst(this.#root)) {
      blocks++
      const users = (ends.get(block) ?? 0) + (used.get(block) ?? 0)
      const parent = block.parent!
      if (users > 0) used.set(parent, (used.get(parent) ?? 0) + 1)
      claim(block.users === users, `a block has ${users} users and counts ${block.users}`)
      claim(block.listed === (users === 0), 'a block is listed and in use, or neither')
      claim(order.has(block) === block.listed, 'a listed block is not in the list')
      if (block.listed && parent.listed) {
        claim(order.get(block)! < order.get(parent)!, 'a block is newer than its parent')
      }
      claim(!block.evicted, 'an evicted block is reachable')
    }
    claim(blocks === this.#blocks, `it has ${blocks} blocks and counts ${this.#blocks}`)
    claim(
      [...order.keys()].every((block) => !block.evicted),
      'an evicted block is listed',
    )
  }

  #newPath(sequence: number): Path {
    const path: Path = { leaf: this.#root, slid: false, pinned: undefined }
    this.#paths.set(sequence, path)
    return path
  }

  #hash(parent: Block, tokens: Uint32Array, from: number, salt: string): number {
    let hash = this.#seed
    if (parent === this.#root) {
      for (let i = 0; i < salt.length; i++) hash = Math.imul(hash ^ salt.charCodeAt(i), 0x01000193)
    }
    for (let i = from; i < from + this.#blockTokens; i++) {
      hash = Math.imul(hash ^ tokens[i]!, 0x9e3779b1)
      hash ^= hash >>> 15
    }
    return hash
  }

  /** The deepest known block on the path of `tokens` from `block` on, at most at depth `most`. */
  #follow(block: Block, tokens: Uint32Array, salt: string, most: number): Block {
    let last = block
    while (last.depth < most && last.children !== undefined) {
      const from = last.depth * this.#blockTokens
      let next = last.children.get(this.#hash(last, tokens, from, salt))
      while (next !== undefined && !(next.salt === salt && hasTokens(next, tokens, from))) {
        next = next.sibling
      }
      if (next === undefined) break
      last = next
    }
    return last
  }

  /** The ancestor of `block` that ends at or before token `length`. */
  #upTo(block: Block, length: number): Block {
    let at = block
    while (at.depth * this.#blockTokens > length) at = at.parent!
    return at
  }

  #moveTo(path: Path, leaf: Block): void {
    this.#use(leaf)
    this.#unuse(path.leaf)
    path.leaf = leaf
  }

  #use(leaf: Block): void {
    for (let block = leaf; block.parent !== undefined; block = block.parent) {
      if (block.users++ > 0) return
      this.#idle.remove(block)
    }
  }

  #unuse(leaf: Block): void {
    // An evicted block has taken itself from its parent's users already.
    if (leaf.evicted) return
    for (let block = leaf; block.parent !== undefined; block = block.parent) {
      if (--block.users > 0) return
      this.#idle.touch(block)
    }
  }

  #unpin(path: Path): void {
    if (path.pinned === undefined) return
    for (let block = path.pinned; block.parent !== undefined; block = block.parent) {
      if (--block.pins > 0) break
    }
    this.#unuse(path.pinned)
    path.pinned = undefined
  }

  /** Removes a leaf. */
  #evict(block: Block): number {
    this.#idle.remove(block)
    removeChild(block)
    block.evicted = true
    if (block.users > 0) this.#unuse(block.parent!)
    this.#blocks--
    this.counts.evictions++
    return this.#store.release(block.span)
  }
}
