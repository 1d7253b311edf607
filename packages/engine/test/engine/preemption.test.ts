import { describe, expect, it } from 'vitest'

import { expectedAnswer } from '../support/record-model.ts'
import { randomPrompt, recordEngine } from '../support/record-engine.ts'

describe('running out of memory', () => {
  it('finishes every request in a pool that holds one and a half, with the same tokens', async () => {
    // 20 requests of up to 100 tokens; 10 blocks hold 160.
    const { engine, cache, eventsOf } = recordEngine({
      cache: { blocks: 10 },
      maxBatchTokens: 64,
      maxSequences: 16,
    })
    const requests = Array.from({ length: 20 }, (_, i) => ({
      tokens: randomPrompt(i, 10 + ((i * 13) % 50)),
      maxTokens: 10 + ((i * 7) % 31),
    }))
    const answers = await Promise.all(requests.map((request) => engine.generate(request).result))
    for (const [i, { tokens }] of answers.entries()) {
      const { tokens: prompt, maxTokens } = requests[i]!
      expect([...tokens]).toEqual(expectedAnswer(prompt, maxTokens))
    }
    await engine.idle()
    expect(eventsOf('preempted').length).toBeGreaterThan(0)
    expect(engine.metrics()).toMatchObject({
      running: 0,
      waiting: 0,
      preemptions: eventsOf('preempted').length,
      finished: { length: 20, stop: 0, cancelled: 0 },
    })
    expect(cache.stats()).toMatchObject({ liveSequences: 0, mappedBytes: 0 })
  })

  it('sets back the lowest priority first, then the latest', async () => {
    const { engine, eventsOf } = recordEngine({
      cache: { blocks: 7 },
      prefixCaching: false,
      maxSequences: 3,
    })
    // Two blocks each at first, three from the 33rd token on: 9 are wanted, 7 are there.
    const requests = [
      { id: 'early', priority: 0 },
      { id: 'urgent', priority: 1 },
      { id: 'late', priority: 0 },
    ].map((names, i) => engine.generate({ ...names, tokens: randomPrompt(i, 30), maxTokens: 12 }))
    await Promise.all(requests.map(({ result }) => result))
    const setBack = eventsOf('preempted').map(({ id }) => id)
    expect(setBack[0]).toBe('late')
    expect(setBack).not.toContain('urgent')
  })

  it('fails a request that never fits, alone, and says what it lacked', async () => {
    const { engine } = recordEngine({ cache: { blocks: 4 }, maxLength: 500 })
    const small = engine.generate({ tokens: randomPrompt(1, 20), maxTokens: 20 })
    const large = engine.generate({ tokens: randomPrompt(2, 100), maxTokens: 20 })
    const growing = engine.generate({ tokens: randomPrompt(3, 40), maxTokens: 200 })
    const after = engine.generate({ tokens: randomPrompt(4, 20), maxTokens: 20 })
    const [a, b, c, d] = await Promise.allSettled(
      [small, large, growing, after].map(({ result }) => result),
    )
    expect(a!.status).toBe('fulfilled')
    expect(d!.status).toBe('fulfilled')
    for (const failed of [b, c]) {
      expect(failed).toMatchObject({
        status: 'rejected',
        reason: { name: 'OutOfMemoryError', code: 'ERR_VATTENTION_REQUEST_TOO_LARGE' },
      })
    }
    expect((b as PromiseRejectedResult).reason.message).toMatch(
      /request of 100 tokens .*: 192 bytes more than the limit of 256 bytes/,
    )
  })

  it('waits for fences instead of setting anyone back', async () => {
    const { engine, cache, eventsOf } = recordEngine({
      cache: { blocks: 9 },
      prefixCaching: false,
      onEvent: ({ kind }) => {
        // The fences pass some time after someone had to wait for them.
        if (kind === 'outOfMemory') setImmediate(() => setImmediate(() => cache.passFences()))
      },
    })
    cache.holdsFreed = true
    // Three blocks each; the second and third want a fourth when the first has just ended.
    const requests = [3, 20, 20].map((maxTokens, i) =>
      engine.generate({ tokens: randomPrompt(i, 40), maxTokens }),
    )
    const answers = await Promise.all(requests.map(({ result }) => result))
    for (const [i, { tokens }] of answers.entries()) {
      expect([...tokens]).toEqual(expectedAnswer(randomPrompt(i, 40), tokens.length))
    }
    expect(eventsOf('outOfMemory').length).toBeGreaterThan(0)
    expect(eventsOf('outOfMemory')[0]!.pendingBytes).toBeGreaterThan(0)
    expect(eventsOf('preempted')).toEqual([])
  })

  it('goes on when a step fails for another reason', async () => {
    const { engine, cache, model } = recordEngine()
    const running = engine.generate({ tokens: randomPrompt(1, 20), maxTokens: 50 })
    const iterator = running[Symbol.asyncIterator]()
    await iterator.next()
    const broken = new Error('mmap failed')
    model.onForward = () => {
      cache.nextStepError ??= broken
      model.onForward = undefined
    }
    await expect(running.result).rejects.toBe(broken)
    const next = engine.generate({ tokens: randomPrompt(2, 20), maxTokens: 5 })
    expect([...(await next.result).tokens]).toEqual(expectedAnswer(randomPrompt(2, 20), 5))
    await engine.idle()
    expect(cache.stats().liveSequences).toBe(0)
  })

  it('says so when others have all the slots', async () => {
    const { engine, cache } = recordEngine({ cache: { blocks: 20, maxSequences: 2 } })
    const taken = [cache.allocate()!, cache.allocate()!]
    await expect(engine.generate({ tokens: [1], maxTokens: 1 }).result).rejects.toMatchObject({
      code: 'ERR_VATTENTION_NO_SLOT',
    })
    for (const { sequence } of taken) cache.free(sequence)
    await engine.generate({ tokens: [1], maxTokens: 1 }).result
  })
})
