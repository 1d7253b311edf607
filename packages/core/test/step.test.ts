import { describe, expect, it } from 'vitest'

import {
  code,
  makeCache,
  pageBytes,
  sequenceOf,
  statesOf,
  stepTo,
  tensors,
  tokensPerPage,
  u32,
} from './support/caches.ts'
import { fillRows, hasRows, isZero, rowsOf } from './support/rows.ts'
import { read } from '../src/index.ts'

describe('step', () => {
  it('backs what is asked for, a page of each tensor at a time', () => {
    using cache = makeCache()
    const { sequence } = cache.allocate()!
    expect(stepTo(cache, sequence, 1)).toMatchObject({ mappedBytes: tensors * pageBytes })
    expect(cache.backedLength(sequence)).toBe(1)
    expect(stepTo(cache, sequence, tokensPerPage)).toEqual({
      status: 'ok',
      mappedBytes: 0,
      driverCalls: 0,
    })
    expect(stepTo(cache, sequence, tokensPerPage + 1)).toMatchObject({
      mappedBytes: tensors * pageBytes,
    })
    expect(cache.stats()).toMatchObject({
      mappedBytes: 2 * tensors * pageBytes,
      neededBytes: 2 * tensors * pageBytes,
      usedBytes: (tokensPerPage + 1) * 4096,
      steps: 3,
      stepsMappedSync: 2,
    })
  })

  it('gives the same answer to every step that finds all there', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 10)
    expect(stepTo(cache, sequence, 11)).toBe(stepTo(cache, sequence, 12))
  })

  it('makes rows that are zero, and leaves those that were written', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 100)
    expect(isZero(cache, sequence, 0, 100)).toBe(true)
    fillRows(cache, sequence, 0, 100, 7)
    stepTo(cache, sequence, 500)
    expect(hasRows(cache, sequence, 0, 100, 7)).toBe(true)
    expect(isZero(cache, sequence, 100, 500)).toBe(true)
    // Past what is backed there is no memory, and reading says so.
    const [rows] = rowsOf(cache, sequence, 512, 513)
    expect(() => read(rows!)).toThrow(code('INVALID_ARGUMENT'))
  })

  it('takes many sequences at once, and none', () => {
    using cache = makeCache()
    const sequences = u32(...[1, 2, 3].map(() => cache.allocate()!.sequence))
    expect(cache.step(sequences, u32(5, 0, 1000)).status).toBe('ok')
    expect([...sequences].map((sequence) => cache.backedLength(sequence as never))).toEqual([
      5, 0, 1000,
    ])
    expect(cache.step(u32(), u32())).toMatchObject({ status: 'ok', driverCalls: 0 })
  })

  it('is all or nothing when memory runs out, and says what is missing', () => {
    const pages = 10
    using cache = makeCache({ limitBytes: pages * tensors * pageBytes })
    const first = sequenceOf(cache, 5 * tokensPerPage)
    fillRows(cache, first, 0, 5 * tokensPerPage, 3)
    const { sequence: second } = cache.allocate()!
    const before = statesOf(cache)
    const result = cache.step(u32(first, second), u32(6 * tokensPerPage, 5 * tokensPerPage))
    expect(result).toEqual({
      status: 'outOfMemory',
      limit: 'bytes',
      neededBytes: tensors * pageBytes,
      pendingBytes: 0,
      evictableBytes: 0,
    })
    expect(statesOf(cache)).toEqual(before)
    expect(cache.backedLength(first)).toBe(5 * tokensPerPage)
    expect(cache.backedLength(second)).toBe(0)
    expect(hasRows(cache, first, 0, 5 * tokensPerPage, 3)).toBe(true)
    expect(cache.stats().stepsOutOfMemory).toBe(1)
    // What does fit is served at once.
    expect(cache.step(u32(first, second), u32(6 * tokensPerPage, 4 * tokensPerPage)).status).toBe(
      'ok',
    )
    cache.check()
  })

  it('tells when the mapping budget is what runs out', () => {
    using roomy = makeCache()
    sequenceOf(roomy, 1)
    const mappingBudget = roomy.stats().liveMappings
    expect(mappingBudget).toBeGreaterThanOrEqual(tensors)
    using cache = makeCache({ mappingBudget })
    sequenceOf(cache, 1)
    const { sequence } = cache.allocate()!
    expect(cache.step(u32(sequence), u32(1))).toMatchObject({
      status: 'outOfMemory',
      limit: 'mappings',
    })
    expect(cache.stats()).toMatchObject({ liveMappings: mappingBudget, mappingBudget })
  })

  it('refuses bad batches and changes nothing', () => {
    using cache = makeCache()
    using other = makeCache()
    const sequence = sequenceOf(cache, 100)
    const foreign = [1, 2, 3].map(() => sequenceOf(other, 1)).at(-1)!
    const freed = sequenceOf(cache, 1)
    cache.free(freed)
    const before = statesOf(cache)
    const bad: [sequences: unknown, lengths: unknown, expected: string][] = [
      [[sequence], u32(1), 'INVALID_ARGUMENT'],
      [u32(sequence), [101], 'INVALID_ARGUMENT'],
      [u32(sequence), Int32Array.of(101), 'INVALID_ARGUMENT'],
      [u32(sequence), u32(101, 102), 'INVALID_ARGUMENT'],
      [u32(sequence, sequence), u32(101, 102), 'INVALID_ARGUMENT'],
      [u32(sequence), u32(99), 'INVALID_ARGUMENT'],
      [u32(sequence), u32(2049), 'INVALID_ARGUMENT'],
      [u32(sequence, freed), u32(101, 1), 'STALE_SEQUENCE'],
      [u32(sequence, foreign), u32(101, 1), 'STALE_SEQUENCE'],
      [u32(sequence, 0), u32(101, 1), 'STALE_SEQUENCE'],
      [u32(sequence, 0xffffffff), u32(101, 1), 'STALE_SEQUENCE'],
    ]
    for (const [sequences, lengths, expected] of bad) {
      expect(() => cache.step(sequences as never, lengths as never)).toThrow(code(expected))
    }
    expect(statesOf(cache)).toEqual(before)
    expect(cache.backedLength(sequence)).toBe(100)
    cache.check()
  })

  it('names the sequence that is stale', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 1)
    const freed = sequenceOf(cache, 1)
    cache.free(freed)
    expect(() => cache.step(u32(sequence, freed), u32(1, 1))).toThrow(`Sequence ${freed} `)
  })
})

describe('stepAsync', () => {
  it('does what step does, off the JavaScript thread', async () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 10)
    const sequences = u32(sequence)
    const lengths = u32(200)
    const promise = cache.stepAsync(sequences, lengths)
    // The arrays were copied.
    sequences.fill(0)
    lengths.fill(0)
    expect(await promise).toMatchObject({ status: 'ok', mappedBytes: 3 * tensors * pageBytes })
    expect(cache.backedLength(sequence)).toBe(200)
  })

  it('does not wait for the JavaScript thread, and steps in the order of the calls', async () => {
    using cache = makeCache({}, { faults: { delayUs: 200 } })
    const sequence = sequenceOf(cache, 1)
    const results = Promise.all(
      [100, 300, 500].map((length) => cache.stepAsync(u32(sequence), u32(length))),
    )
    expect((await results).map(({ status }) => status)).toEqual(['ok', 'ok', 'ok'])
    expect(cache.backedLength(sequence)).toBe(500)
  })

  it('rejects with the errors that step throws', async () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 10)
    await expect(cache.stepAsync(u32(sequence), u32(9))).rejects.toThrow(code('INVALID_ARGUMENT'))
    await expect(cache.stepAsync(u32(12345), u32(9))).rejects.toThrow(code('STALE_SEQUENCE'))
    await expect(cache.stepAsync([] as never, u32())).rejects.toThrow(code('INVALID_ARGUMENT'))
    const result = await cache.stepAsync(u32(sequence), u32(2048))
    expect(result.status).toBe('ok')
  })
})
