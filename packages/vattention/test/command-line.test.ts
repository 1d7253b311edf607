import { expect, test } from 'vitest'

import { run } from './support.ts'

test('--help says what there is, with examples, and succeeds', async () => {
  const { status, out, err } = await run(['--help'])
  expect(status).toBe(0)
  expect(err).toBe('')
  for (const text of ['generate', 'inspect', 'demo', 'Examples:', 'Exit status:'])
    expect(out).toContain(text)
})

test.each(['generate', 'inspect', 'demo'])('%s --help has examples', async (command) => {
  const { status, out } = await run([command, '--help'])
  expect(status).toBe(0)
  expect(out).toContain('Examples:\n  vattention')
})

test('an unknown flag is an error with the nearest one, and nothing on stdout', async () => {
  const { status, out, err } = await run(['inspect', '--jsom'])
  expect(status).toBe(2)
  expect(out).toBe('')
  expect(err).toContain("unknown option '--jsom'")
  expect(err).toContain('--json')
})

test.each([
  ['a size without its unit', ['inspect', '--limit', '512'], 'a size with its unit'],
  ['a number out of range', ['inspect', '--max-sequences', '0'], 'a whole number of at least 1'],
  ['an unknown command', ['infer'], "unknown command 'infer'"],
  ['a model and a shape', ['inspect', '--model', 'x', '--shape', 'yi-6b'], 'exclude each other'],
  ['no prompt', ['generate'], 'Give either a prompt or --file'],
  [
    'a prompt and a file',
    ['generate', 'hello', '--file', 'x.txt'],
    'Give either a prompt or --file',
  ],
  [
    'an option of the other cache',
    ['generate', 'hello', '--block-tokens', '8'],
    'option of --cache paged',
  ],
  [
    'a layout of the paged cache',
    ['generate', 'hello', '--cache', 'paged', '--layout', 'split'],
    'option of --cache vattention',
  ],
  ['random weights without a shape', ['generate', 'hello', '--weights', 'random'], 'needs --shape'],
  ['a file that is not there', ['generate', '--file', '/nowhere/prompts.txt'], 'cannot be read'],
])('%s: exit status 2 and why', async (_, args, message) => {
  const { status, out, err } = await run(args)
  expect(err).toContain(message)
  expect(status).toBe(2)
  expect(out).toBe('')
})

test('an environment variable that nothing reads is refused', async () => {
  const { status, err } = await run(['inspect'], { environment: { VATTENTION_BACKEND: 'cpu' } })
  expect(status).toBe(2)
  expect(err).toContain('Nothing reads the environment variable VATTENTION_BACKEND')
})
