import type { Sequence } from '@vattention/interface'

import { mix } from '../random.ts'

/** What the rows of a token hold, by the tokens that lead up to it: never 0. */
export function hashOf(before: number, token: number): number {
  return mix(before, token) || 1
}

/** The hash before a prompt's first token. */
export function saltHash(salt: string): number {
  let hash = 0
  for (let i = 0; i < salt.length; i++) hash = mix(hash, salt.charCodeAt(i))
  return hash
}

/** What a sequence of the cache must look like. */
export class ShadowSequence {
  readonly handle: Sequence
  readonly salt: string
  /** The tokens whose rows have been written, or are promised by a fork or a prefix. */
  tokens: number[]
  /** The hash of each of them. */
  hashes: number[]
  /** Hashes that rows from `tokens.length` on may still hold: its own, from before a truncation. */
  readonly leftovers = new Map<number, number[]>()
  /** What `step` has backed. */
  backed = 0
  /** The first token that may still be read. */
  firstKept = 0
  /** Whether it has stepped: before, nothing is there, and it must be given `tokens.length` at least. */
  stepped = false
  /** Whether any of its memory has ever been another's, or gone before its end. */
  plain: boolean

  constructor(handle: Sequence, salt: string, tokens: number[], plain: boolean, hashes?: number[]) {
    this.handle = handle
    this.salt = salt
    this.tokens = tokens
    this.hashes = hashes ?? []
    this.plain = plain
    if (!hashes) this.#extendHashes()
  }

  /** Appends tokens; returns the hashes of their rows. */
  append(tokens: readonly number[]): number[] {
    const from = this.tokens.length
    this.tokens.push(...tokens)
    this.#extendHashes()
    for (let i = from; i < this.tokens.length; i++) this.leftovers.delete(i)
    return this.hashes.slice(from)
  }

  /** Forgets tokens from `length` on; their rows may show what they held. */
  truncate(length: number): void {
    for (let i = length; this.stepped && i < this.hashes.length; i++) {
      this.#remember(i, this.hashes[i]!)
    }
    this.tokens.length = Math.min(this.tokens.length, length)
    this.hashes.length = this.tokens.length
    this.backed = Math.min(this.backed, length)
  }

  /** What the rows of a backed token may hold. */
  allowed(token: number): readonly number[] {
    const hash = this.hashes[token]
    return hash === undefined ? [0, ...(this.leftovers.get(token) ?? [])] : [hash]
  }

  #remember(token: number, hash: number): void {
    const known = this.leftovers.get(token) ?? []
    if (!known.includes(hash)) known.push(hash)
    this.leftovers.set(token, known)
  }

  #extendHashes(): void {
    for (let i = this.hashes.length; i < this.tokens.length; i++) {
      const before = i === 0 ? saltHash(this.salt) : this.hashes[i - 1]!
      this.hashes.push(hashOf(before, this.tokens[i]!))
    }
  }
}
