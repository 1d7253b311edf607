import { expect, test } from 'vitest'

import { parseFlags } from '../src/flags.ts'

test('without flags: any backend over the default cache', () => {
  expect(parseFlags([])).toEqual({
    help: false,
    all: false,
    cache: 'contiguous',
    kvDtype: 'float32',
    tokens: 8,
  })
})

test.each([
  [['--tokens', '0'], /--tokens/],
  [['--kv-dtype', 'int4'], /--kv-dtype.*float32/],
  [['--all', '--backend', 'cpu'], /--all/],
  [['--model', 'a.gguf', '--shape', 'llama-3-8b'], /exclude/],
  [['--what'], /--what/],
])('%j is refused', (args, message) => {
  expect(() => parseFlags(args)).toThrow(message)
})
