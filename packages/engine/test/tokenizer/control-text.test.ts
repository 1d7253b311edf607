import { describe, expect, it } from 'vitest'

import { ControlText, unusedMark } from '../../src/tokenizer/control-text.ts'

const control = new ControlText([
  { id: 1, content: '<a>', special: true },
  { id: 2, content: '<a>b', special: true },
  { id: 3, content: '<<', special: true },
  { id: 4, content: '[trim]', special: true, lstrip: true, rstrip: true },
])

describe('ControlText', () => {
  it('cuts text at control tokens, the longest first', () => {
    expect(control.split('x<a>y<a>bz')).toEqual(['x', 1, 'y', 2, 'z'])
    expect(control.split('<a><a>')).toEqual([1, 1])
    expect(control.split('')).toEqual([])
  })

  it('takes white space where a token wants it', () => {
    expect(control.split('a  [trim]  b <a> c')).toEqual(['a', 4, 'b ', 1, ' c'])
  })

  it('breaks what looks like a control token, however it overlaps, and only that', () => {
    for (const text of ['<a>', '<<a>', '<<<', '<<<<a>b', 'plain < text >']) {
      const mark = unusedMark(text)
      const broken = control.protect(text, mark)
      expect(control.split(broken).every((section) => typeof section === 'string')).toBe(true)
      expect(control.split(broken, mark).join('')).toBe(text)
    }
    expect(control.protect('plain', '\u{f0000}')).toBe('plain')
  })

  it('reaches strings in objects and arrays, and leaves the rest alone', () => {
    const value = { role: 'user', parts: [{ text: '<a>', count: 3, none: null }] }
    expect(control.protect(value, '|')).toEqual({
      role: 'user',
      parts: [{ text: '<|a>', count: 3, none: null }],
    })
  })

  it('finds a mark that nobody used', () => {
    expect(unusedMark(['a\u{f0000}', { b: '\u{f0001}' }])).toBe('\u{f0002}')
  })
})
