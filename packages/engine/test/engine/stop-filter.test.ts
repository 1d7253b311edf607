import { describe, expect, it } from 'vitest'

import { StopFilter } from '../../src/engine/stop-filter.ts'
import { random } from '../support/random.ts'

/** The text before the first stop string, the longest of those that begin there. */
function plainly(text: string, stops: readonly string[]): { text: string; stop?: string } {
  for (let at = 0; at < text.length; at++) {
    const met = stops
      .filter((stop) => text.startsWith(stop, at))
      .sort((a, b) => b.length - a.length)[0]
    if (met !== undefined) return { text: text.slice(0, at), stop: met }
  }
  return { text }
}

describe('StopFilter', () => {
  it('shows text up to the first stop string, however it is cut into pieces', () => {
    const next = random(11)
    const letters = (count: number) =>
      Array.from({ length: count }, () => 'ab'[Math.floor(next() * 2)]).join('')
    for (let round = 0; round < 2000; round++) {
      // Of one length, so that none can be met before a longer one that began earlier.
      const stops = [letters(4), letters(4)]
      const text = letters(Math.floor(next() * 20))
      const filter = new StopFilter(stops)
      let shown = ''
      let stop: string | undefined
      let rest = text
      while (rest && stop === undefined) {
        const piece = rest.slice(0, 1 + Math.floor(next() * 3))
        rest = rest.slice(piece.length)
        const filtered = filter.push(piece)
        shown += filtered.text
        stop = filtered.stop
        // Never ahead of what is certain.
        expect(plainly(text, stops).text.startsWith(shown)).toBe(true)
      }
      if (stop === undefined) shown += filter.end()
      expect({ text: shown, stop }, `${text} / ${stops.join()}`).toEqual({
        stop: undefined,
        ...plainly(text, stops),
      })
    }
  })

  it('withholds only what may begin a stop string', () => {
    const filter = new StopFilter(['STOP', 'OPEN'])
    expect(filter.push('abcS')).toEqual({ text: 'abc' })
    expect(filter.push('T')).toEqual({ text: '' })
    expect(filter.push('x')).toEqual({ text: 'STx' })
    expect(filter.push('STO')).toEqual({ text: '' })
    expect(filter.push('PEN')).toEqual({ text: '', stop: 'STOP' })
  })

  it('takes the longer of two that begin at the same place', () => {
    expect(new StopFilter(['ab', 'abc']).push('xabc')).toEqual({ text: 'x', stop: 'abc' })
  })

  it('passes everything without stop strings', () => {
    const filter = new StopFilter([])
    expect(filter.push('a')).toEqual({ text: 'a' })
    expect(filter.end()).toBe('')
  })
})
