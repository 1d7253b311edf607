import type { ContiguousCacheOptions } from '@vattention/interface'
import { describe, expect, it } from 'vitest'

import { ContiguousKvCache, contiguousReasons } from '../src/index.ts'
import {
  code,
  makeCache,
  pageBytes,
  reasonsOf,
  sequenceOf,
  small,
  tensors,
} from './support/caches.ts'

const reasons = (options: object) =>
  contiguousReasons({ ...small, ...options } as ContiguousCacheOptions).map((reason) => reason.code)

describe('the options of a contiguous cache', () => {
  it('are fine with nothing but what has no default', () => {
    const { layers, kvHeads, headDim, dtype, maxSequences, maxLength, limitBytes } = small
    const least = { layers, kvHeads, headDim, dtype, maxSequences, maxLength, limitBytes }
    expect(contiguousReasons(least)).toEqual([])
    using cache = new ContiguousKvCache(least)
    expect(cache.layout).toBe('split')
    expect(cache.device).toEqual({ type: 'cpu' })
    expect(cache.shape).toEqual({
      layers,
      kvHeads,
      headDim,
      valueHeadDim: headDim,
      dtype,
      maxSequences,
      maxLength,
    })
    expect(Object.isFrozen(cache.shape)).toBe(true)
    expect(ContiguousKvCache.geometry(least).smallestPageBytes).toBe(pageBytes)
  })

  it.each([
    ['layers', [0, -1, 1.5, '2', null, 2 ** 31]],
    ['kvHeads', [0, NaN]],
    ['headDim', [0, Infinity]],
    ['valueHeadDim', [0, 0.5]],
    ['dtype', ['int32', 'float64', 2]],
    ['maxSequences', [0, -8, 2 ** 40]],
    ['maxLength', [0, 2 ** 32]],
    ['limitBytes', [0, -1, 1.5, 2n]],
    ['device', ['cpu', { type: 'tpu' }, { type: 'cuda' }, { type: 'cuda', index: -1 }]],
    ['layout', ['paged', {}, { layerGroup: 0 }, { layerGroup: 1, more: 1 }]],
    ['pageBytes', [[], [0], [pageBytes + 1], [2 * pageBytes, pageBytes], [pageBytes, pageBytes]]],
    ['sharePageBytes', [0, 1.5]],
    ['prefixBlockTokens', [0, 2.5]],
    ['tailRows', [-1, 0.5]],
    ['leadRows', [-1, '1']],
    ['zero', ['never', true]],
    ['mapAhead', [true, 1, 'yes']],
    ['mappingBudget', [0, -5]],
    ['traceEvents', [-1, 1.5]],
    ['onEvent', ['log', {}]],
  ])('refuse a wrong %s', (name, values) => {
    for (const value of values) expect(reasons({ [name]: value })).toEqual([name])
  })

  it('refuse what does not go together', () => {
    expect(reasons({ layout: { layerGroup: 3 } })).toEqual(['layout'])
    expect(reasons({ pageBytes: [2 * pageBytes], sharePageBytes: pageBytes })).toEqual([
      'sharePageBytes',
    ])
  })

  it('share pages of the smallest class where all are larger than usual', () => {
    const large = { ...small, pageBytes: [2 ** 22], limitBytes: 2 ** 30 }
    expect(contiguousReasons(large)).toEqual([])
    expect(ContiguousKvCache.geometry(large).smallestPageBytes).toBe(2 ** 22)
    using cache = new ContiguousKvCache(large)
    sequenceOf(cache, 1)
    expect(cache.stats().mappedBytes).toBe(tensors * 2 ** 22)
  })

  it('take a CUDA device, whose pages are larger', () => {
    const device = { type: 'cuda', index: 0 } as const
    const { pageBytes: _, ...unpaged } = small
    expect(contiguousReasons({ ...unpaged, device })).toEqual([])
    expect(reasons({ device })).toEqual(['pageBytes'])
    expect(reasons({ device, pageBytes: [2 ** 21, 2 ** 23] })).toEqual([])
    const sharing = contiguousReasons({ ...unpaged, device, sharePageBytes: pageBytes })
    expect(sharing.map(({ code }) => code)).toEqual(['sharePageBytes'])
    expect(ContiguousKvCache.geometry({ ...unpaged, device })).toMatchObject({
      layout: 'interleaved',
      tensors: 1,
      smallestPageBytes: 2 ** 21,
    })
  })

  it('refuse a CUDA device that is not there, and say why', () => {
    const device = { type: 'cuda', index: 1000 } as const
    const pageBytes = [2 ** 21]
    expect(() => new ContiguousKvCache({ ...small, device, pageBytes })).toThrow(
      expect.objectContaining({
        code: 'ERR_VATTENTION_UNSUPPORTED',
        message: expect.stringMatching(/libcuda|CUDA device 1000|no GPU/) as string,
      }),
    )
  })

  it('refuse names that they do not know, with the nearest that they do', () => {
    const found = contiguousReasons({ ...small, limitByte: 1, page: 2 } as ContiguousCacheOptions)
    expect(found.map((reason) => reason.code)).toEqual(['limitByte', 'page'])
    expect(found[0]!.message).toContain('did you mean limitBytes?')
  })

  it('of mapping ahead are checked as well', () => {
    expect(reasons({ mapAhead: {} })).toEqual([])
    expect(reasons({ mapAhead: { tokens: 1, idleSlots: 0, lowWaterBytes: 0 } })).toEqual([])
    expect(reasons({ mapAhead: { tokens: 0, idleSlots: -1, water: 1 } })).toEqual([
      'mapAhead.tokens',
      'mapAhead.idleSlots',
      'mapAhead.water',
    ])
  })

  it('that are wrong in several ways are told in all of them', () => {
    const wrong = { layers: 0, dtype: 'int8', limitByte: 5, limitBytes: undefined } as object
    const make = () => makeCache(wrong)
    expect(make).toThrow(code('INVALID_OPTIONS'))
    expect(reasonsOf(make)).toEqual(['layers', 'dtype', 'limitBytes', 'limitByte'])
    expect(reasonsOf(() => new ContiguousKvCache(undefined as never))).toEqual(['options'])
    expect(reasonsOf(() => new ContiguousKvCache(5 as never))).toEqual(['options'])
  })

  it('that need more address space than there is are refused, not tried', () => {
    const make = () => makeCache({ maxSequences: 2 ** 20, maxLength: 2 ** 31 })
    expect(make).toThrow(code('INVALID_OPTIONS'))
    expect(() =>
      ContiguousKvCache.geometry({ ...small, maxSequences: 2 ** 20, maxLength: 2 ** 31 }),
    ).toThrow(code('INVALID_OPTIONS'))
  })
})
