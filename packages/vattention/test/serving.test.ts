import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'

import { run } from './support.ts'

// The set-up of `npm test` has fetched the model; without it these tests fail and say so.
const folder = mkdtempSync(join(tmpdir(), 'vattention-command-'))
afterAll(() => rmSync(folder, { recursive: true }))

const { VATTENTION_CACHE_DIR } = process.env
const environment = VATTENTION_CACHE_DIR ? { VATTENTION_CACHE_DIR } : {}
const small = [
  '--limit',
  '64MiB',
  '--max-sequences',
  '4',
  '--max-length',
  '512',
  '--max-tokens',
  '12',
]

test('generate streams an answer to stdout and figures to stderr', async () => {
  const { status, out, err } = await run(['generate', 'Name a colour.', ...small], { environment })
  expect(err).toMatch(/\d+ tokens in \d+\.\d s/)
  expect(status).toBe(0)
  expect(out.trim().length).toBeGreaterThan(3)
})

test('both caches and both layouts give the same answers to a file of prompts', async () => {
  const file = join(folder, 'prompts.jsonl')
  const lines = [
    { prompt: 'What is seven times eight?' },
    { messages: [{ role: 'user', content: 'Name a colour.' }] },
  ]
  writeFileSync(file, lines.map((line) => JSON.stringify(line)).join('\n'))
  const answers = []
  for (const cache of [
    ['vattention'],
    ['vattention', '--layout', 'interleaved'],
    ['paged', '--block-tokens', '8'],
  ]) {
    const { status, out, err } = await run(
      ['generate', '--file', file, '--json', ...small, '--cache', ...cache],
      { environment },
    )
    expect([status, err]).toEqual([0, ''])
    const { results, backend } = JSON.parse(out)
    expect(backend).toBe('cpu')
    expect(results).toHaveLength(2)
    answers.push(results.map(({ tokens }: { tokens: number[] }) => tokens))
  }
  expect(answers[0][0].length).toBeGreaterThan(2)
  expect(answers[1]).toEqual(answers[0])
  expect(answers[2]).toEqual(answers[0])
})

test('a backend that cannot serve is never replaced', async () => {
  const { status, out, err } = await run(
    ['generate', 'Hello', '--backend', 'flash-attention-3', ...small],
    { environment },
  )
  expect(status).toBe(1)
  expect(out).toBe('')
  // Not built, no GPU, or a cache that lies elsewhere: whatever this machine lacks.
  expect(err).toMatch(/ERR_VATTENTION_(NATIVE_LOAD|BACKEND_UNAVAILABLE|BACKEND_UNSUPPORTED)/)
  expect(err).toContain('flash-attention-3')
})

test('a backend that nobody knows is refused, beside those that there are', async () => {
  const { status, err } = await run(['generate', 'Hello', '--backend', 'x', ...small], {
    environment,
  })
  expect(status).toBe(1)
  expect(err).toContain('ERR_VATTENTION_UNKNOWN_BACKEND')
  expect(err).toMatch(/offered: .*cpu/)
})

test('an interrupted command stops and says so by its exit status', async () => {
  const interrupt = new AbortController()
  interrupt.abort()
  const { status } = await run(['generate', 'Hello', ...small], {
    environment,
    signal: interrupt.signal,
  })
  expect(status).toBe(130)
})

test('inspect says what a cache of a model would look like, as text and as JSON', async () => {
  const text = await run(['inspect', '--shape', 'llama-3-8b', '--limit', '16GiB'], { environment })
  expect([text.status, text.err]).toEqual([0, ''])
  for (const part of [
    'Machine',
    'Drivers',
    'GPUs',
    'Backends',
    '131072',
    '32 query heads over 8 KV heads of 128',
    'contiguous: yes; paged: yes',
  ]) {
    expect(text.out).toContain(part)
  }
  const json = await run(['inspect', '--shape', 'smollm2-135m', '--json'], { environment })
  const inspection = JSON.parse(json.out)
  expect(inspection.cache.contiguous.map(({ tensors }: { tensors: number }) => tensors)).toEqual([
    60, 1,
  ])
  expect(inspection.cache.contiguous[0].bytesPerToken).toBe(23040)
  const [, cuda] = inspection.drivers
  expect(cuda).toMatchObject({ name: 'cuda', available: inspection.devices.devices.length > 0 })
  expect(inspection.devices.reason).toEqual(cuda.available ? undefined : expect.any(String))
  const names = inspection.backends.map(({ name }: { name: string }) => name)
  expect(names).toEqual([
    'flash-attention-3',
    'flash-attention-2',
    'flashinfer',
    'flashinfer-hopper',
    'paged-attention',
    'cpu',
  ])
  expect(inspection.backends.at(-1)).toMatchObject({ available: true })
  expect(inspection.backends.at(-1).serves.paged.reasons).toEqual([])
})

test('the demo serves a crowd from each cache, compares them and draws memory over time', async () => {
  const plot = join(folder, 'memory.svg')
  const { status, out } = await run(
    ['demo', '--requests', '3', '--gap', '0', '--limit', '64MiB', '--out', plot],
    { environment },
  )
  expect(status).toBe(0)
  expect(out).toContain('3 of 3 answers are the same, token for token')
  for (const row of [
    'output tokens per second',
    'aliased / copied',
    'steps that mapped synchronously',
    'Go on:',
  ]) {
    expect(out).toContain(row)
  }
  expect(readFileSync(plot, 'utf8')).toContain('MiB')
})
