import { describe, expect, it } from 'vitest'

import { requestTimings, ServingLog, type ServingEvent } from '../../src/serving/index.ts'

/** A log of a clock that the test moves. */
function logAt(): { log: ServingLog; at: (seconds: number) => ServingLog } {
  let now = 0
  const log = new ServingLog(() => now)
  return {
    log,
    at: (seconds) => {
      now = seconds
      return log
    },
  }
}

const timingOf = (log: ServingLog) => requestTimings(log.events)[0]!

describe('requestTimings', () => {
  it('takes TTFT, TPOT, ITL and E2E from the scheduled time, and how late the client was', () => {
    const { log, at } = logAt()
    log.scheduled(7, { promptTokens: 12, atSeconds: 1 })
    at(1.5).sent(7)
    at(3).tokens(7)
    at(3.25).tokens(7, 2)
    at(4).tokens(7)
    at(4.5).end(7)
    expect(timingOf(log)).toEqual({
      status: 'completed',
      request: 7,
      promptTokens: 12,
      outputTokens: 4,
      scheduledSeconds: 1,
      sentSeconds: 1.5,
      endSeconds: 4.5,
      latenessSeconds: 0.5,
      ttftSeconds: 2,
      e2eSeconds: 3,
      tpotSeconds: (3 - 2) / (4 - 1),
      itlSeconds: [0.25, 0.75],
    })
  })

  it('is scheduled when it is written down unless a time is given: the closed loop', () => {
    const { log, at } = logAt()
    at(5).scheduled(0, { promptTokens: 1 })
    log.sent(0)
    at(6).tokens(0)
    log.end(0)
    expect(timingOf(log)).toMatchObject({ scheduledSeconds: 5, latenessSeconds: 0, ttftSeconds: 1 })
  })

  it('has no TPOT for a single output token', () => {
    const { log, at } = logAt()
    log.scheduled(0, { promptTokens: 1, atSeconds: 0 })
    log.sent(0)
    at(2).tokens(0)
    log.end(0)
    expect(timingOf(log)).toMatchObject({ tpotSeconds: null, itlSeconds: [], e2eSeconds: 2 })
  })

  it('starts when it was sent where a timer fired early', () => {
    const { log, at } = logAt()
    log.scheduled(0, { promptTokens: 1, atSeconds: 1 })
    at(0.75).sent(0)
    at(2).tokens(0)
    log.end(0)
    expect(timingOf(log)).toMatchObject({ latenessSeconds: -0.25, ttftSeconds: 1.25 })
  })

  it('keeps requests apart, in the order in which they were scheduled', () => {
    const { log, at } = logAt()
    log.scheduled(3, { promptTokens: 1, atSeconds: 0 })
    log.scheduled(1, { promptTokens: 1, atSeconds: 0 })
    log.sent(1)
    log.sent(3)
    at(1).tokens(1)
    log.end(1)
    at(2).tokens(3)
    log.end(3)
    const timings = requestTimings(log.events)
    expect(timings.map(({ request }) => request)).toEqual([3, 1])
    expect(timings).toMatchObject([{ ttftSeconds: 2 }, { ttftSeconds: 1 }])
  })

  it('counts as failed what failed, and what never ended', () => {
    const { log, at } = logAt()
    log.scheduled(0, { promptTokens: 4, atSeconds: 0 })
    log.scheduled(1, { promptTokens: 4, atSeconds: 0 })
    log.scheduled(2, { promptTokens: 4, atSeconds: 0 })
    log.sent(0)
    log.sent(1)
    at(1).tokens(0)
    at(2).failure(0, 'out of memory')
    at(3).tokens(1)
    expect(requestTimings(log.events)).toMatchObject([
      { status: 'failed', reason: 'out of memory', outputTokens: 1, endSeconds: 2 },
      { status: 'failed', reason: expect.stringContaining('no end') as string, sentSeconds: 0 },
      { status: 'failed', sentSeconds: null },
    ])
  })

  const scheduled = { kind: 'scheduled', request: 0, atSeconds: 0, promptTokens: 1 } as const
  const sent = { kind: 'sent', request: 0, atSeconds: 1 } as const
  const first = { kind: 'firstToken', request: 0, atSeconds: 2, tokens: 1 } as const
  const end = { kind: 'end', request: 0, atSeconds: 3 } as const
  it.each<[string, ServingEvent[], string]>([
    ['no schedule', [sent], 'not that it was scheduled'],
    ['two schedules', [scheduled, scheduled], 'scheduled twice'],
    ['sent twice', [scheduled, sent, sent], 'sent twice'],
    ['tokens before sent', [scheduled, first], 'before it was sent'],
    ['a second first token', [scheduled, sent, first, first], 'not its chunk number 2'],
    ['no first token', [scheduled, sent, { ...first, kind: 'tokens' }], 'not its chunk number 1'],
    ['an empty chunk', [scheduled, sent, { ...first, tokens: 0 }], 'a chunk has 0 tokens'],
    ['an end without tokens', [scheduled, sent, end], 'without any token'],
    ['time going back', [scheduled, sent, { ...first, atSeconds: 0.5 }], 'earlier'],
    [
      'tokens after the end',
      [scheduled, sent, first, end, { ...first, atSeconds: 4 }],
      'after end',
    ],
  ])('refuses a log with %s', (_, events, message) => {
    expect(() => requestTimings(events)).toThrow(message)
    expect(() => requestTimings(events)).toThrow('Request 0')
  })
})
