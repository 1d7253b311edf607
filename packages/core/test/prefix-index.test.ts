import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { PrefixIndex, type SpanStore } from '../src/prefix-index.ts'

const blockTokens = 4

/** Spans of made-up sequences: each block a sequence has computed is one byte, held by it and spans. */
class TestStore implements SpanStore {
  /** What each span shows: salt and tokens from 0 on. */
  readonly spans = new Map<number, { key: string; page: object }>()
  /** Pages of live sequences, by block, with the key of what is in them. */
  readonly sequences = new Map<number, { key: string; page: object }[]>()
  readonly released: { span: number; key: string }[] = []
  #next = 1

  create(sequence: number, from: number, block: number, out: Uint32Array): void {
    const blocks = this.sequences.get(sequence)!
    expect(block).toBe(blockTokens)
    for (let i = 0; i < out.length; i++) {
      const entry = blocks[from / block + i]
      if (entry === undefined) throw new Error('a span of tokens that the sequence does not have')
      out[i] = this.#next
      this.spans.set(this.#next++, entry)
    }
  }

  release(span: number): number {
    const { key, page } = this.spans.get(span)!
    this.spans.delete(span)
    this.released.push({ span, key })
    return this.#isHeld(page) ? 0 : 1
  }

  retainedBytes(): number {
    const live = new Set([...this.sequences.values()].flat().map(({ page }) => page))
    return new Set([...this.spans.values()].map(({ page }) => page).filter((p) => !live.has(p)))
      .size
  }

  #isHeld(page: object): boolean {
    const holds = (entry: { page: object }) => entry.page === page
    return [...this.spans.values()].some(holds) || [...this.sequences.values()].flat().some(holds)
  }
}

/** What names the block that ends at token `end`: everything up to there. */
const keyOf = (salt: string, tokens: ArrayLike<number>, end: number) =>
  `${salt}|${Array.from(tokens).slice(0, end).join()}`

/** An engine in small: sequences with tokens over an index and a store. */
class World {
  readonly store = new TestStore()
  readonly index = new PrefixIndex(this.store, blockTokens)
  readonly live = new Map<
    number,
    { tokens: number[]; salt: string; stepped: boolean; pinned: number[]; slid: boolean }
  >()
  #next = 1

  allocate(prompt: number[], salt: string): number {
    const tokens = Uint32Array.from(prompt)
    const match = this.index.match(tokens, salt)
    const known = new Set([...this.store.spans.values()].map(({ key }) => key))
    let longest = 0
    while (
      longest + blockTokens <= prompt.length &&
      known.has(keyOf(salt, prompt, longest + blockTokens))
    ) {
      longest += blockTokens
    }
    expect(match?.length ?? 0).toBe(Math.max(0, Math.min(longest, prompt.length - 1)))
    for (const [i, span] of (match?.spans ?? []).entries()) {
      expect(this.store.spans.get(span)!.key).toBe(keyOf(salt, prompt, (i + 1) * blockTokens))
    }
    const sequence = this.#next++
    if (match) this.index.attach(sequence, match)
    this.live.set(sequence, {
      tokens: prompt,
      salt,
      stepped: false,
      pinned: [...(match?.spans ?? [])],
      slid: false,
    })
    this.store.sequences.set(sequence, [])
    return sequence
  }

  /** The first step aliases what was promised; the rest is computed. */
  step(sequence: number): void {
    const state = this.live.get(sequence)!
    const blocks = this.store.sequences.get(sequence)!
    if (!state.stepped) {
      for (const [i, span] of state.pinned.entries()) {
        if ((i + 1) * blockTokens < state.tokens.length) blocks[i] = this.store.spans.get(span)!
      }
    }
    state.stepped = true
    state.pinned = []
    this.index.settle(Uint32Array.of(sequence))
    for (let end = blockTokens; end <= state.tokens.length; end += blockTokens) {
      blocks[end / blockTokens - 1] ??= { key: keyOf(state.salt, state.tokens, end), page: {} }
    }
  }

  check(): void {
    this.index.check()
    expect(this.index.blocks).toBe(this.store.spans.size)
    for (const { pinned } of this.live.values()) {
      for (const span of pinned) expect(this.store.spans.has(span)).toBe(true)
    }
  }
}

const token = fc.integer({ min: 0, max: 2 })
const prompt = fc.array(token, { minLength: 0, maxLength: 26 })
const salt = fc.constantFrom('', 'tenant')
const which = fc.nat()

const operation = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('allocate' as const), prompt, salt }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('step' as const), which }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('publish' as const), which }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('grow' as const), which, more: prompt }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('fork' as const), which, at: which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('truncate' as const), which, at: which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('slide' as const), which, at: which }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('free' as const), which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('evict' as const), bytes: fc.nat(6) }) },
)
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never

function apply(world: World, op: Operation): void {
  const { index, store, live } = world
  if (op.do === 'allocate') {
    world.allocate(op.prompt, op.salt)
    return
  }
  if (op.do === 'evict') {
    const before = store.retainedBytes()
    const freed = index.evict(op.bytes)
    expect(freed).toBe(before - store.retainedBytes())
    return
  }
  const sequences = [...live.keys()]
  if (sequences.length === 0) return
  const sequence = sequences[op.which % sequences.length]!
  const state = live.get(sequence)!
  const blocks = store.sequences.get(sequence)!
  switch (op.do) {
    case 'step':
      world.step(sequence)
      break
    case 'publish':
      if (state.stepped) index.publish(sequence, Uint32Array.from(state.tokens), state.salt)
      break
    case 'grow':
      if (!state.stepped || state.slid) return
      state.tokens = [...state.tokens, ...op.more].slice(0, 40)
      world.step(sequence)
      break
    case 'fork': {
      if (!state.stepped || state.slid) return
      const length = op.at % (state.tokens.length + 1)
      const child = world.allocate([], state.salt)
      index.fork(sequence, child, length)
      Object.assign(live.get(child)!, { tokens: state.tokens.slice(0, length), stepped: true })
      store.sequences.set(child, blocks.slice(0, Math.floor(length / blockTokens)))
      break
    }
    case 'truncate': {
      if (!state.stepped || state.slid) return
      const length = op.at % (state.tokens.length + 1)
      index.truncate(sequence, length)
      state.tokens = state.tokens.slice(0, length)
      blocks.length = Math.min(blocks.length, Math.floor(length / blockTokens))
      break
    }
    case 'slide': {
      if (!state.stepped || state.tokens.length === 0) return
      const first = op.at % state.tokens.length
      index.slide(sequence, first)
      // The pages before the window go; what is left cannot be published by its old start.
      for (let i = 0; i < Math.floor(first / blockTokens); i++) delete blocks[i]
      state.slid = true
      break
    }
    case 'free':
      index.forget(sequence)
      live.delete(sequence)
      store.sequences.delete(sequence)
      break
  }
}

describe('the prefix index, for any order of operations,', () => {
  it('shares the longest known prefix, keeps what allocations wait for, and stays sound', () => {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 1, maxLength: 120 }), (operations) => {
        const world = new World()
        for (const op of operations) {
          apply(world, op)
          world.check()
        }
        // Nothing is retained for ever: all of it can be given up but what allocations wait for.
        world.index.evict(Infinity)
        world.check()
        for (const sequence of [...world.live.keys()]) {
          apply(world, { do: 'free', which: [...world.live.keys()].indexOf(sequence) })
        }
        world.index.evict(Infinity)
        expect(world.store.spans.size).toBe(0)
      }),
      { numRuns: 400 },
    )
  })

  it('evicts leaves before what leads to them, and idle blocks before those in use', () => {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 1, maxLength: 80 }), (operations) => {
        const world = new World()
        for (const op of operations) {
          const from = world.store.released.length
          apply(world, op)
          const gone = world.store.released.slice(from).map(({ key }) => key)
          const left = [...world.store.spans.values()].map(({ key }) => key)
          for (const [i, key] of gone.entries()) {
            const later = [...gone.slice(i + 1), ...left]
            expect(later.some((other) => other.startsWith(`${key},`))).toBe(false)
          }
        }
      }),
      { numRuns: 200 },
    )
  })
})

describe('the prefix index', () => {
  const prompts = {
    system: [1, 1, 1, 1, 2, 2, 2, 2],
    first: [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 9],
    second: [1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 9],
  }

  function serve(world: World, tokens: number[]): number {
    const sequence = world.allocate(tokens, '')
    world.step(sequence)
    world.index.publish(sequence, Uint32Array.from(tokens), '')
    return sequence
  }

  it('shares at most all but the last token of a prompt', () => {
    const world = new World()
    serve(world, prompts.system)
    const match = world.index.match(Uint32Array.from(prompts.system), '')!
    expect(match.length).toBe(7)
    expect(match.spans).toHaveLength(2)
    expect(world.index.match(Uint32Array.from(prompts.system.slice(0, 4)), '')!.length).toBe(3)
    expect(world.index.match(Uint32Array.from([1]), '')).toBeUndefined()
  })

  it('keeps salts apart', () => {
    const world = new World()
    serve(world, prompts.first)
    expect(world.index.match(Uint32Array.from(prompts.first), 'other')).toBeUndefined()
  })

  it('makes spans of new blocks only, however often a sequence publishes', () => {
    const world = new World()
    const sequence = serve(world, prompts.first)
    expect(world.index.blocks).toBe(3)
    const spans = [...world.store.spans.keys()]
    world.index.publish(sequence, Uint32Array.from(prompts.first), '')
    serve(world, prompts.first)
    expect([...world.store.spans.keys()]).toEqual(spans)
    serve(world, prompts.second)
    expect(world.index.blocks).toBe(4)
  })

  it('gives up the least recently used prompt first, from its end', () => {
    const world = new World()
    for (const name of ['first', 'second'] as const) {
      apply(world, { do: 'free', which: 0 })
      serve(world, prompts[name])
    }
    apply(world, { do: 'free', which: 0 })
    expect(world.index.evict(1)).toBe(1)
    expect(world.store.released.map(({ key }) => key)).toEqual(['|1,1,1,1,2,2,2,2,3,3,3,3'])
    // Looked up and freed again, the rest of the first is the most recent.
    const again = world.allocate(prompts.first, '')
    world.step(again)
    world.index.forget(again)
    world.live.delete(again)
    world.store.sequences.delete(again)
    world.index.evict(1)
    expect(world.store.released.at(-1)!.key).toBe('|1,1,1,1,2,2,2,2,4,4,4,4')
    world.index.evict(2)
    expect(world.store.released.slice(2).map(({ key }) => key)).toEqual([
      '|1,1,1,1,2,2,2,2',
      '|1,1,1,1',
    ])
  })

  it('finds a prompt of 4096 tokens among thousands of others', () => {
    const world = new World()
    const long = Array.from({ length: 4096 }, (_, i) => (i * 7919) % 1000)
    serve(world, long)
    for (let i = 0; i < 2000; i++) serve(world, [i, i + 1, i + 2, i + 3, 0])
    expect(world.index.match(Uint32Array.from([...long, 5]), '')!.length).toBe(4096)
    world.index.check()
  })

  it('counts lookups and hits', () => {
    const world = new World()
    serve(world, prompts.first)
    serve(world, prompts.second)
    expect(world.index.counts).toEqual({ queries: 2, queryTokens: 26, hitTokens: 8, evictions: 0 })
  })
})
