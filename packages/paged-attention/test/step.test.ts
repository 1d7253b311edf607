import { describe, expect, it } from 'vitest'

import {
  blockBytes,
  blocks,
  blocksOf,
  blockTokens,
  code,
  makeCache,
  sequenceOf,
  stepTo,
  tableOf,
  tokenBytes,
  u32,
} from './support/caches.ts'
import { fillRows, hasRows, isZero } from './support/rows.ts'

describe('step', () => {
  it('backs what is asked for, a block at a time', () => {
    using cache = makeCache()
    const { sequence } = cache.allocate()!
    expect(stepTo(cache, sequence, 1)).toMatchObject({ mappedBytes: blockBytes })
    expect(cache.backedLength(sequence)).toBe(1)
    expect(stepTo(cache, sequence, blockTokens)).toEqual({
      status: 'ok',
      mappedBytes: 0,
      driverCalls: 0,
    })
    expect(stepTo(cache, sequence, blockTokens + 1)).toMatchObject({ mappedBytes: blockBytes })
    expect(cache.stats()).toMatchObject({
      mappedBytes: 2 * blockBytes,
      neededBytes: 2 * blockBytes,
      usedBytes: (blockTokens + 1) * tokenBytes,
      wasteBytes: (blockTokens - 1) * tokenBytes,
      steps: 3,
      pagesMapped: 2,
    })
  })

  it('gives the same answer to every step that finds all there', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 1)
    expect(stepTo(cache, sequence, 2)).toBe(stepTo(cache, sequence, 3))
  })

  it.each(['nhd', 'paged-attention'] as const)(
    'makes rows that are zero, and leaves those that were written (%s)',
    (poolLayout) => {
      using cache = makeCache({ poolLayout })
      const first = sequenceOf(cache, 20)
      expect(isZero(cache, first, 0, 20)).toBe(true)
      fillRows(cache, first, 0, 20)
      stepTo(cache, first, 60)
      expect(hasRows(cache, first, 0, 20)).toBe(true)
      expect(isZero(cache, first, 20, 60)).toBe(true)
      fillRows(cache, first, 20, 60, NaN)
      cache.free(first)
      const second = sequenceOf(cache, 160)
      const result = stepTo(cache, sequenceOf(cache, 32), 32)
      expect(result.status).toBe('ok')
      expect(isZero(cache, second, 0, 160)).toBe(true)
    },
  )

  it('takes many sequences at once, and none', () => {
    using cache = makeCache()
    const sequences = u32(...[1, 2, 3].map(() => cache.allocate()!.sequence))
    expect(cache.step(sequences, u32(5, 0, 100)).status).toBe('ok')
    expect([...sequences].map((sequence) => cache.backedLength(sequence as never))).toEqual([
      5, 0, 100,
    ])
    expect(cache.step(u32(), u32())).toMatchObject({ status: 'ok', driverCalls: 0 })
  })

  it('is all or nothing when memory runs out, and says what is missing', () => {
    using cache = makeCache()
    const first = sequenceOf(cache, 12 * blockTokens)
    fillRows(cache, first, 0, 12 * blockTokens, 3)
    const { sequence: second } = cache.allocate()!
    const before = blocksOf(cache)
    const result = cache.step(u32(first, second), u32(13 * blockTokens, 13 * blockTokens))
    expect(result).toEqual({
      status: 'outOfMemory',
      limit: 'bytes',
      neededBytes: 2 * blockBytes,
      pendingBytes: 0,
      evictableBytes: 0,
    })
    expect(blocksOf(cache)).toEqual(before)
    expect(cache.backedLength(first)).toBe(12 * blockTokens)
    expect(cache.backedLength(second)).toBe(0)
    expect(hasRows(cache, first, 0, 12 * blockTokens, 3)).toBe(true)
    expect(cache.stats().stepsOutOfMemory).toBe(1)
    // What does fit is served at once: the table is exactly full.
    const fitting = cache.step(u32(first, second), u32(13 * blockTokens, 11 * blockTokens))
    expect(fitting.status).toBe('ok')
    expect(blocksOf(cache)).toEqual({ mapped: blocks, cached: 0, condemned: 0, free: 0 })
    cache.check()
  })

  it('refuses bad batches and changes nothing', () => {
    using cache = makeCache()
    using other = makeCache()
    const sequence = sequenceOf(cache, 20)
    const foreign = [1, 2, 3].map(() => sequenceOf(other, 1)).at(-1)!
    const freed = sequenceOf(cache, 1)
    cache.free(freed)
    const before = blocksOf(cache)
    const bad: [sequences: unknown, lengths: unknown, expected: string][] = [
      [[sequence], u32(1), 'INVALID_ARGUMENT'],
      [u32(sequence), [21], 'INVALID_ARGUMENT'],
      [u32(sequence), Int32Array.of(21), 'INVALID_ARGUMENT'],
      [u32(sequence), u32(21, 22), 'INVALID_ARGUMENT'],
      [u32(sequence, sequence), u32(21, 22), 'INVALID_ARGUMENT'],
      [u32(sequence), u32(19), 'INVALID_ARGUMENT'],
      [u32(sequence), u32(161), 'INVALID_ARGUMENT'],
      [u32(sequence, freed), u32(21, 1), 'STALE_SEQUENCE'],
      [u32(sequence, foreign), u32(21, 1), 'STALE_SEQUENCE'],
      [u32(sequence, 0), u32(21, 1), 'STALE_SEQUENCE'],
      [u32(sequence, 0xffffffff), u32(21, 1), 'STALE_SEQUENCE'],
    ]
    for (const [sequences, lengths, expected] of bad) {
      expect(() => cache.step(sequences as never, lengths as never)).toThrow(code(expected))
    }
    expect(blocksOf(cache)).toEqual(before)
    expect(cache.backedLength(sequence)).toBe(20)
    cache.check()
  })

  it('names the sequence that is stale', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 1)
    const freed = sequenceOf(cache, 1)
    cache.free(freed)
    expect(() => cache.step(u32(sequence, freed), u32(1, 1))).toThrow(`Sequence ${freed} `)
  })

  it('is in the histogram', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 1)
    for (let length = 2; length <= 10; length++) stepTo(cache, sequence, length)
    const { stepNsHistogram, steps } = cache.stats()
    expect(steps).toBe(10)
    expect(stepNsHistogram).toHaveLength(40)
    expect(stepNsHistogram.reduce((sum, count) => sum + count)).toBe(10)
  })
})

describe('stepAsync', () => {
  it('does what step does, off the JavaScript thread', async () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 10)
    const sequences = u32(sequence)
    const lengths = u32(100)
    const promise = cache.stepAsync(sequences, lengths)
    // The arrays were copied.
    sequences.fill(0)
    lengths.fill(0)
    expect(await promise).toMatchObject({ status: 'ok', mappedBytes: 11 * blockBytes })
    expect(tableOf(cache, sequence)).toHaveLength(13)
  })

  it('steps in the order of the calls', async () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 1)
    const lengths = Array.from({ length: 40 }, (_, i) => 2 + i)
    const results = await Promise.all(
      lengths.map((length) => cache.stepAsync(u32(sequence), u32(length))),
    )
    expect(results.every(({ status }) => status === 'ok')).toBe(true)
    expect(cache.backedLength(sequence)).toBe(41)
  })

  it('rejects with the errors that step throws, and goes on', async () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 10)
    await expect(cache.stepAsync(u32(sequence), u32(9))).rejects.toThrow(code('INVALID_ARGUMENT'))
    await expect(cache.stepAsync(u32(12345), u32(9))).rejects.toThrow(code('STALE_SEQUENCE'))
    await expect(cache.stepAsync([] as never, u32())).rejects.toThrow(code('INVALID_ARGUMENT'))
    expect((await cache.stepAsync(u32(sequence), u32(160))).status).toBe('ok')
    const { sequence: other } = cache.allocate()!
    expect((await cache.stepAsync(u32(other), u32(160))).status).toBe('outOfMemory')
  })
})
