import { describe, expect, it } from 'vitest'

import { TimeSlicer, type SlicedJob } from '../../src/tokenizer/time-slicer.ts'

function* count(steps: number, log: string[], name: string): SlicedJob<number> {
  for (let i = 0; i < steps; i++) {
    log.push(name)
    yield
  }
  return steps
}

describe('TimeSlicer', () => {
  it('runs jobs one after the other', async () => {
    const slicer = new TimeSlicer()
    const log: string[] = []
    const results = await Promise.all([
      slicer.run(count(3, log, 'a')),
      slicer.run(count(2, log, 'b')),
    ])
    expect(results).toEqual([3, 2])
    expect(log).toEqual(['a', 'a', 'a', 'b', 'b'])
  })

  it('gives the event loop its turns during a long job', async () => {
    let turns = 0
    let done = false
    const tick = () => {
      turns++
      if (!done) setImmediate(tick)
    }
    setImmediate(tick)
    function* long(): SlicedJob<void> {
      // Ends only after the loop has turned ten times meanwhile: a blocked loop would hang here.
      while (turns < 10) yield
    }
    await new TimeSlicer().run(long())
    done = true
    expect(turns).toBeGreaterThanOrEqual(10)
  })

  it('goes on after a job that throws or is aborted', async () => {
    const slicer = new TimeSlicer()
    const log: string[] = []
    function* broken(): SlicedJob<void> {
      throw new Error('broken')
    }
    const first = slicer.run(broken())
    const second = slicer.run(count(3, log, 'aborted'), AbortSignal.abort(new Error('gone')))
    const third = slicer.run(count(1, log, 'c'))
    await expect(first).rejects.toThrow('broken')
    await expect(second).rejects.toThrow('gone')
    expect(await third).toBe(1)
    expect(log).toEqual(['c'])
  })
})
