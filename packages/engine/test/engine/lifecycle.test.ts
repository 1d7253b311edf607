import { describe, expect, it } from 'vitest'

import { Engine } from '../../src/engine/engine.ts'
import { expectedAnswer, RecordModel } from '../support/record-model.ts'
import { RecordCache } from '../support/record-cache.ts'
import { randomPrompt, recordEngine } from '../support/record-engine.ts'

describe('lifecycle', () => {
  it('fails requests when it is disposed, waits for the pass in flight, frees all', async () => {
    const { engine, model, cache } = recordEngine({ maxSequences: 1 })
    const running = engine.generate({ tokens: randomPrompt(1, 20) })
    const waiting = engine.generate({ tokens: randomPrompt(2, 20) })
    await running[Symbol.asyncIterator]().next()
    const disposed = engine.dispose()
    await expect(running.result).rejects.toMatchObject({ code: 'ERR_VATTENTION_DISPOSED' })
    await expect(waiting.result).rejects.toMatchObject({ code: 'ERR_VATTENTION_DISPOSED' })
    expect(() => engine.generate({ tokens: [1] })).toThrow(
      expect.objectContaining({ code: 'ERR_VATTENTION_DISPOSED' }),
    )
    await disposed
    expect(model.disposed).toBe(true)
    expect(cache.stats().liveSequences).toBe(0)
    await engine.dispose()
  })

  it('serves requests to their end when it drains', async () => {
    const { engine, model } = recordEngine({ maxSequences: 2 })
    const requests = [1, 2, 3, 4].map((i) =>
      engine.generate({ tokens: randomPrompt(i, 20), maxTokens: 10 }),
    )
    const disposed = engine.dispose({ drain: true })
    expect(() => engine.generate({ tokens: [1] })).toThrow(/disposed/)
    for (const [i, { result }] of requests.entries()) {
      expect([...(await result).tokens]).toEqual(expectedAnswer(randomPrompt(i + 1, 20), 10))
    }
    await disposed
    expect(model.disposed).toBe(true)
  })

  it('cuts draining short when it is disposed again without', async () => {
    const { engine, model } = recordEngine()
    const endless = engine.generate({ tokens: randomPrompt(1, 20), maxTokens: 900 })
    const drained = engine.dispose({ drain: true })
    await engine.dispose()
    await drained
    expect(model.batches.length).toBeLessThan(900)
    await expect(endless.result).rejects.toMatchObject({ code: 'ERR_VATTENTION_DISPOSED' })
  })

  it('can be disposed at once, and by `await using`', async () => {
    const { engine, model } = recordEngine()
    await engine[Symbol.asyncDispose]()
    expect(model.disposed).toBe(true)
  })

  it('refuses limits that fit neither cache nor each other', () => {
    const cache = new RecordCache({ blocks: 4, maxSequences: 8, maxLength: 100 })
    const make = (limits: object) => () =>
      new Engine({
        runner: new RecordModel(cache),
        cache,
        name: 'record model',
        contextLength: 100,
        vocabularySize: 1000,
        ...limits,
      })
    expect(make({ maxSequences: 9 })).toThrow(/at most the cache's maxSequences, 8, required/)
    expect(make({ maxBatchTokens: 7 })).toThrow(/at least maxSequences, 8, required, found 7/)
    expect(make({ maxLength: 101 })).toThrow(/at most the cache's maxLength, 100, required/)
  })

  it('goes on when a listener throws, and does not hide the error', async () => {
    const cache = new RecordCache({ blocks: 10 })
    const caught: unknown[] = []
    const listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', (error) => caught.push(error))
    try {
      await using engine = new Engine({
        runner: new RecordModel(cache),
        cache,
        name: 'record model',
        contextLength: 100,
        vocabularySize: 1000,
        onEvent: ({ kind }) => {
          if (kind === 'admitted') throw new Error('bad listener')
        },
      })
      await engine.generate({ tokens: [1, 2, 3], maxTokens: 3 }).result
    } finally {
      process.removeAllListeners('uncaughtException')
      for (const listener of listeners) process.on('uncaughtException', listener)
    }
    expect(caught).toMatchObject([{ message: 'bad listener' }])
  })

  it('fails everything, and says why, when the cache breaks its contract', async () => {
    const { engine, cache } = recordEngine()
    const generation = engine.generate({ tokens: [1, 2, 3], maxTokens: 100 })
    await generation[Symbol.asyncIterator]().next()
    cache.publish = () => {
      throw new Error('index is broken')
    }
    await expect(generation.result).rejects.toMatchObject({
      code: 'ERR_VATTENTION_INTERNAL',
      message: expect.stringContaining('index is broken'),
    })
    expect(() => engine.generate({ tokens: [1] })).toThrow(/index is broken/)
  })
})
