/** A block of the prefix index, and the small things that are true of any of them. */
export interface Block {
  /** Undefined for the root, which has no tokens and no span. */
  readonly parent: Block | undefined
  /** Keeps tenants and models apart. */
  readonly salt: string
  readonly tokens: Uint32Array
  /** Of salt and tokens: its key among the parent's children. */
  readonly hash: number
  /** The native span that holds its pages. */
  readonly span: number
  /** Blocks from the root to here: it ends at token `depth * blockTokens`. */
  readonly depth: number
  /** By hash; blocks with the same hash hang on `sibling`. */
  children: Map<number, Block> | undefined
  sibling: Block | undefined
  /** Sequences whose path ends here, and children in use. */
  users: number
  /** Sequences that wait for their first step with it, and children with such. */
  pins: number
  /** No longer in the index. */
  evicted: boolean
  /** Its place in the list of idle blocks, when `listed`. */
  listed: boolean
  older: Block | undefined
  newer: Block | undefined
}

/** A block without place: not a child yet, not listed. */
export function newBlock(
  parent: Block | undefined,
  salt: string,
  tokens: Uint32Array,
  hash: number,
  span: number,
): Block {
  return {
    parent,
    salt,
    tokens,
    hash,
    span,
    depth: parent === undefined ? 0 : parent.depth + 1,
    children: undefined,
    sibling: undefined,
    users: 0,
    pins: 0,
    evicted: false,
    listed: false,
    older: undefined,
    newer: undefined,
  }
}

/** Makes a block a child of its parent. */
export function adoptChild(block: Block): void {
  const children = (block.parent!.children ??= new Map<number, Block>())
  block.sibling = children.get(block.hash)
  children.set(block.hash, block)
}

/** Takes a leaf from its parent. */
export function removeChild(block: Block): void {
  const children = block.parent!.children!
  const first = children.get(block.hash)!
  if (first === block) {
    if (block.sibling === undefined) children.delete(block.hash)
    else children.set(block.hash, block.sibling)
    return
  }
  let before = first
  while (before.sibling !== block) before = before.sibling!
  before.sibling = block.sibling
}

/** Whether a block's tokens are those of `tokens` from `from` on. */
export function hasTokens(block: Block, tokens: Uint32Array, from: number): boolean {
  const own = block.tokens
  for (let i = 0; i < own.length; i++) if (own[i] !== tokens[from + i]) return false
  return true
}

/** All blocks under `root`, children before their parents; each may be removed when it is given. */
export function* leavesFirst(root: Block): Generator<Block, void, undefined> {
  const stack = [root]
  const order: Block[] = []
  for (let block = stack.pop(); block !== undefined; block = stack.pop()) {
    if (block !== root) order.push(block)
    for (let child of block.children?.values() ?? []) {
      stack.push(child)
      while (child.sibling !== undefined) stack.push((child = child.sibling))
    }
  }
  for (let i = order.length - 1; i >= 0; i--) yield order[i]!
}

/** Blocks that nobody uses, from least to most recently used. */
export class IdleList {
  #oldest: Block | undefined
  #newest: Block | undefined

  /** The least recently used one. */
  get oldest(): Block | undefined {
    return this.#oldest
  }

  /** Makes a block the most recently used one. */
  touch(block: Block): void {
    this.remove(block)
    block.listed = true
    block.older = this.#newest
    if (this.#newest === undefined) this.#oldest = block
    else this.#newest.newer = block
    this.#newest = block
  }

  /** Takes a block out, if it is in. */
  remove(block: Block): void {
    if (!block.listed) return
    block.listed = false
    if (block.older === undefined) this.#oldest = block.newer
    else block.older.newer = block.newer
    if (block.newer === undefined) this.#newest = block.older
    else block.newer.older = block.older
    block.older = undefined
    block.newer = undefined
  }
}
