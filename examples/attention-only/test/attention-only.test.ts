import { expect, test } from 'vitest'

import { run } from '../src/attention-only.ts'

test('the example prefills, decodes, branches and gives everything back', () => {
  const lines: string[] = []
  run((line) => lines.push(line))
  expect(lines).toHaveLength(5)
  expect(lines[0]).toMatch(
    /^prefilled 100 \+ 40 tokens in one pass: [1-9]\d* KiB mapped, [1-9]\d* KiB used/,
  )
  expect(lines[3]).toMatch(/^the last row begins -?\d\.\d{4}, -?\d\.\d{4}, -?\d\.\d{4}$/)
  expect(lines[4]).toMatch(/^freed all: 0 sequences live, [1-9]\d* KiB parked/)
})
