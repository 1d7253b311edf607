import { cpu } from '@vattention/interface'
import { describe, expect, it } from 'vitest'

import { HostTimeline } from '../src/index.ts'

const code = (expected: string) => expect.objectContaining({ code: `ERR_VATTENTION_${expected}` })

describe('a host timeline', () => {
  it('counts work as it is submitted and completed', () => {
    using timeline = new HostTimeline()
    expect(timeline).toMatchObject({ device: cpu, submitted: 0, completed: 0 })
    expect(timeline.handle > 0n).toBe(true)
    expect([timeline.submit(), timeline.submit(), timeline.submit()]).toEqual([1, 2, 3])
    timeline.complete(2)
    expect(timeline.completed).toBe(2)
    timeline.complete(1)
    expect(timeline.completed).toBe(2)
    timeline.complete()
    expect(timeline.completed).toBe(3)
  })

  it('completes only what was submitted', () => {
    using timeline = new HostTimeline()
    timeline.submit()
    for (const work of [2, -1, 0.5, NaN, '1' as never]) {
      expect(() => timeline.complete(work)).toThrow(code('INVALID_ARGUMENT'))
    }
    expect(timeline.completed).toBe(0)
  })

  it('completes everything when it is disposed, and takes no more work', () => {
    const timeline = new HostTimeline()
    timeline.submit()
    timeline[Symbol.dispose]()
    timeline[Symbol.dispose]()
    expect(timeline.completed).toBe(1)
    expect(() => timeline.submit()).toThrow(code('DISPOSED'))
  })

  it('has a handle of its own', () => {
    using first = new HostTimeline()
    using second = new HostTimeline()
    expect(first.handle).not.toBe(second.handle)
  })
})
