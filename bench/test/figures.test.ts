import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { checkPage, main, writeResult } from '../src/index.ts'
import { resultOf } from './support/result.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

describe('figures of this repository', () => {
  const pages = [
    'README.md',
    'bench/README.md',
    ...readdirSync(join(root, 'docs'))
      .filter((name) => name.endsWith('.md'))
      .map((name) => join('docs', name)),
  ]
  it.each(pages)('%s says what the results say', async (page) => {
    expect((await checkPage(join(root, page))).stale).toEqual([])
  })

  it('has headline figures that are checked', async () => {
    expect((await checkPage(join(root, 'README.md'))).figures).toBeGreaterThanOrEqual(5)
  })
})

describe('a page', () => {
  let folder: string
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'vattention-figures-'))
    const named = (cache: string, tokens: number, median: number) => ({
      name: `${cache} ${tokens}`,
      parameters: { cache, tokens },
      metrics: { gbPerSecond: { n: 3, median, low: median - 1, high: median + 1 } },
    })
    const cases = [named('split', 8, 4000), named('split', 16, 4391), named('paged 16', 8, 3000)]
    await writeResult(join(folder, 'r.json'), resultOf(cases))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  async function check(...links: string[]) {
    const path = join(folder, 'page.md')
    writeFileSync(path, links.map((one) => `It is ${one} there.\n`).join(''))
    return checkPage(path)
  }

  it('with the numbers of its results is left alone', async () => {
    const { figures, stale, corrected } = await check(
      '[4391 GB/s](r.json "cache=split; tokens=16; gbPerSecond")',
      '[4.39 TB/s](r.json "tokens=16; gbPerSecond")',
      '[4.392 TB/s](r.json "tokens=16; gbPerSecond.high")',
      '[3.0 – 4.4 TB/s](r.json "cache=split or paged 16; range gbPerSecond")',
      '[4.2 TB/s](r.json "cache=split; tokens=8..16; median gbPerSecond")',
      "[4.4 TB/s](r.json 'cache=spl*; most gbPerSecond')",
      "[4.4 TB/s](r.json 'no chunk; most gbPerSecond')",
      'a [link](r.json)',
    )
    expect({ figures, stale }).toEqual({ figures: 7, stale: [] })
    expect(corrected).toContain('4.392 TB/s')
  })

  it('with another number is corrected, with as many decimals', async () => {
    const { stale, corrected } = await check('[4.4 TB/s](r.json "cache=paged 16; gbPerSecond")')
    expect(stale).toEqual([
      { written: '4.4 TB/s', expected: '3.0 TB/s', reason: 'r.json has 3.0 TB/s' },
    ])
    expect(corrected).toBe('It is [3.0 TB/s](r.json "cache=paged 16; gbPerSecond") there.\n')
  })

  it.each([
    ['[1 GB/s](r.json "cache=none; gbPerSecond")', /nothing in the result fits/],
    ['[1 GB/s](r.json "no tokens; most gbPerSecond")', /nothing in the result fits/],
    ['[1 GB/s](r.json "cache=split; gbPerSecond")', /2 cases fit/],
    ['[1 GB/s](r.json "cache=split; range gbPerSecond")', /has 1 numbers for 2/],
    ['[1 ms](r.json "tokens=16; gbPerSecond")', /is in "GB\/s", and "ms" is written/],
    ['[fast](r.json "tokens=16; gbPerSecond")', /has no number in front/],
  ])('with %s is refused', async (text, reason) => {
    const { stale } = await check(text)
    expect(stale).toMatchObject([{ reason: expect.stringMatching(reason) }])
    expect(stale[0]).not.toHaveProperty('expected')
  })

  it('is written anew by the command', async () => {
    await check('[1 GB/s](r.json "tokens=16; gbPerSecond")')
    const page = join(folder, 'page.md')
    let out = ''
    const output = { write: (text: string) => void (out += text), writeError: () => undefined }
    expect(await main(['figures', page], { output })).toBe(1)
    expect(out).toContain('r.json has 4391 GB/s')
    expect(await main(['figures', page, '--write'], { output })).toBe(0)
    expect(readFileSync(page, 'utf8')).toContain('[4391 GB/s]')
    expect(await main(['figures', page], { output })).toBe(0)
  })
})
