import { HostTimeline, readBits, read } from '@vattention/core'
import type { KvCache, RunArguments, Sequence } from '@vattention/interface'
import { describe, expect, test } from 'vitest'

import { createCpuBackend } from '../src/index.ts'
import { codeOf } from './code-of.ts'
import { kinds, makeCache, makeScene, queryHeads, tokens } from './scene.ts'

describe.each(kinds)('over a %s cache', (kind) => {
  test('run before prepare is refused', () => {
    using scene = makeScene({ kind })
    expect(codeOf(() => scene.plan.run(scene.args))).toBe('ERR_VATTENTION_NOT_PREPARED')
  })

  test('a batch that is refused leaves nothing prepared', () => {
    using scene = makeScene({ kind })
    const { plan, batch, args } = scene
    plan.prepare(batch)
    const long = { ...batch, kvLengths: Uint32Array.of(tokens + 1) }
    expect(codeOf(() => plan.prepare(long))).toBe('ERR_VATTENTION_INVALID_BATCH')
    expect(() => plan.prepare(long)).toThrow(/41 tokens asked for, 40 are backed/)
    expect(codeOf(() => plan.run(args))).toBe('ERR_VATTENTION_NOT_PREPARED')
  })

  test('sequences that were freed are refused by prepare, and by run', () => {
    using scene = makeScene({ kind })
    const { plan, batch, args, cache, sequence } = scene
    plan.prepare(batch)
    cache.free(sequence)
    expect(codeOf(() => plan.run(args))).toBe('ERR_VATTENTION_STALE_SEQUENCE')
    expect(() => plan.run(args)).toThrow(new RegExp(`Sequence ${sequence} is not live`))
    expect(codeOf(() => plan.prepare(batch))).toBe('ERR_VATTENTION_STALE_SEQUENCE')
    expect(read(args.output).every((x) => x === 0)).toBe(true)
  })

  test('a sequence that was truncated after prepare is refused by run and append', () => {
    using scene = makeScene({ kind })
    const { plan, batch, args, cache, sequence } = scene
    plan.prepare(batch)
    cache.truncate(sequence, 10)
    const append = () => plan.append({ layer: 0, key: args.key!, value: args.value! })
    expect(codeOf(() => plan.run(args))).toBe('ERR_VATTENTION_INVALID_BATCH')
    expect(codeOf(append)).toBe('ERR_VATTENTION_INVALID_BATCH')
  })

  test('a cache that was disposed after prepare is refused by run', () => {
    using scene = makeScene({ kind })
    scene.plan.prepare(scene.batch)
    scene.cache[Symbol.dispose]()
    expect(codeOf(() => scene.plan.run(scene.args))).toBe('ERR_VATTENTION_DISPOSED')
    expect(codeOf(() => scene.plan.prepare(scene.batch))).toBe('ERR_VATTENTION_DISPOSED')
  })

  test('a cache of another shape is refused', () => {
    using scene = makeScene({ kind })
    using other = makeCache(kind, 'bfloat16')
    const { sequence } = other.allocate()!
    const sequences = Uint32Array.of(sequence)
    other.step(sequences, Uint32Array.of(tokens))
    const prepare = () => scene.plan.prepare({ ...scene.batch, cache: other, sequences })
    expect(codeOf(prepare)).toBe('ERR_VATTENTION_INVALID_BATCH')
    expect(prepare).toThrow(/made for another cache/)
  })

  test('tensors are refused with every reason, and nothing is written', () => {
    using scene = makeScene({ kind })
    const { plan, batch, args } = scene
    plan.prepare(batch)
    const wrong: RunArguments = {
      ...args,
      layer: 2,
      query: { ...args.query, shape: [tokens, queryHeads, 32] },
      lse: { ...args.lse, dtype: 'float16' },
    }
    expect(codeOf(() => plan.run(wrong))).toBe('ERR_VATTENTION_INVALID_TENSOR')
    expect(() => plan.run(wrong)).toThrow(/layer 0\.\.1 required[^]*query: shape[^]*lse: dtype/)
    expect(read(args.output).every((x) => x === 0)).toBe(true)
  })

  test('memory that its owner gave back is refused', () => {
    using scene = makeScene({ kind })
    scene.plan.prepare(scene.batch)
    scene.args.lse[Symbol.dispose]()
    expect(codeOf(() => scene.plan.run(scene.args))).toBe('ERR_VATTENTION_DISPOSED')
  })

  test('dispose is idempotent, and a disposed plan says so', () => {
    using scene = makeScene({ kind })
    const { plan, batch, args } = scene
    plan.prepare(batch)
    plan.dispose()
    plan[Symbol.dispose]()
    for (const call of [
      () => plan.prepare(batch),
      () => plan.run(args),
      () => plan.append({ layer: 0, key: args.key!, value: args.value! }),
    ]) {
      expect(codeOf(call)).toBe('ERR_VATTENTION_DISPOSED')
    }
  })

  test('a plan keeps the cache it is prepared on, natively', () => {
    using scene = makeScene({ kind })
    const { plan, batch, args, cache } = scene
    plan.prepare(batch)
    plan.run(args)
    // Closing ends the cache for its users; the plan's reference keeps the object behind it.
    cache[Symbol.dispose]()
    expect(codeOf(() => plan.run(args))).toBe('ERR_VATTENTION_DISPOSED')
    plan.dispose()
  })

  test('threads change no bits', () => {
    const results = [1, 2, 5].map((threads) => {
      using scene = makeScene({ kind, threads })
      scene.plan.prepare(scene.batch)
      scene.plan.run(scene.args)
      return readBits(scene.args.output)
    })
    expect(results[1]).toEqual(results[0])
    expect(results[2]).toEqual(results[0])
  })

  test('a cache without a C table gives the same bits through its view', () => {
    using scene = makeScene({ kind, dtype: 'bfloat16' })
    const { plan, batch, args, cache } = scene
    plan.prepare(batch)
    plan.run(args)
    const expected = readBits(args.output)
    // What a cache written in JavaScript offers: everything but `native`.
    const foreign: KvCache = new Proxy(cache, {
      get: (target, name) => {
        if (name === 'native') return undefined
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    using other = createCpuBackend().createPlan(
      { cache: foreign, queryHeads, dtype: 'bfloat16' },
      { maxSequences: 1, maxTokens: 64, maxLength: 64 },
    )
    other.prepare({ ...batch, cache: foreign })
    const { layer, query, output } = args
    other.run({ layer, query, output })
    expect(readBits(args.output)).toEqual(expected)
  })
})

test('a view that has no such block is refused', () => {
  using scene = makeScene({ kind: 'paged' })
  const { batch, cache } = scene
  const view = cache.view()
  if (view.kind !== 'paged') throw new Error('a paged cache expected')
  const broken: KvCache = Object.assign(Object.create(null) as KvCache, {
    kind: cache.kind,
    device: cache.device,
    shape: cache.shape,
    view: () => ({
      ...view,
      blockTables: (_: Uint32Array, out: Int32Array) => out.fill(-1).length,
    }),
    backedLength: (sequence: Sequence) => cache.backedLength(sequence),
  })
  using plan = createCpuBackend().createPlan(
    { cache: broken, queryHeads, dtype: 'float32' },
    { maxSequences: 1, maxTokens: 64, maxLength: 64 },
  )
  expect(codeOf(() => plan.prepare({ ...batch, cache: broken }))).toBe(
    'ERR_VATTENTION_INVALID_BATCH',
  )
})

test('caches of both kinds give the same bits', () => {
  const results = kinds.map((kind) => {
    using scene = makeScene({ kind, dtype: 'bfloat16' })
    scene.plan.prepare(scene.batch)
    scene.plan.run(scene.args)
    return [readBits(scene.args.output), readBits(scene.args.lse)]
  })
  expect(results[1]).toEqual(results[0])
})

test('one plan serves several caches of its configuration, one after the other', () => {
  using scene = makeScene()
  const { plan, batch, args, cache } = scene
  plan.prepare(batch)
  plan.run(args)
  const expected = readBits(args.output)
  const other = makeCache('contiguous')
  const { sequence } = other.allocate()!
  const sequences = Uint32Array.of(sequence)
  other.step(sequences, batch.kvLengths)
  plan.prepare({ ...batch, cache: other, sequences })
  plan.run(args)
  expect(readBits(args.output)).toEqual(expected)
  plan.prepare(batch)
  other[Symbol.dispose]()
  plan.run(args)
  expect(readBits(args.output)).toEqual(expected)
  expect(cache.stats().liveSequences).toBe(1)
})

test('a stream of the CPU orders the cache, and a plan that goes lets go of it', () => {
  using timeline = new HostTimeline()
  using scene = makeScene()
  const { plan, batch, args, cache } = scene
  plan.prepare({ ...batch, stream: timeline })
  const work = timeline.submit()
  plan.run(args)
  // Work on the stream is at hand, so the cache stays.
  expect(codeOf(() => cache[Symbol.dispose]())).toBe('ERR_VATTENTION_BUSY')
  timeline.complete(work)
  plan.dispose()
  timeline.submit() // of no concern to the cache any more
  cache[Symbol.dispose]()
})
