import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { main, writeResult } from '../src/index.ts'
import { resultOf, timed } from './support/result.ts'

describe('the command', () => {
  let folder: string
  let before: string
  let after: string
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'vattention-report-'))
    before = join(folder, 'before.json')
    after = join(folder, 'after.json')
    await writeResult(before, resultOf([timed('x', 10)]))
    await writeResult(after, resultOf([timed('x', 20)]))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  async function run(...argv: string[]) {
    let out = ''
    let error = ''
    const output = {
      write: (text: string) => void (out += text),
      writeError: (text: string) => void (error += text),
    }
    return { status: await main(argv, { output }), out, error }
  }

  it('writes the page and its plots', async () => {
    const out = join(folder, 'report')
    expect(await run('report', before, '--out', out)).toEqual({
      status: 0,
      out: `${join(out, 'index.html')}, and 1 plots beside it\n`,
      error: '',
    })
    expect(readdirSync(out)).toEqual(['example-ms.svg', 'index.html'])
  })

  it('exits with 3 on a regression, and with 0 without one', async () => {
    expect(await run('report', '--compare', before, after)).toMatchObject({
      status: 3,
      out: expect.stringContaining('1 slower, 0 faster'),
    })
    expect(await run('report', '--compare', after, before)).toMatchObject({ status: 0 })
    expect(await run('report', '--compare', before, after, '--threshold', '1.5')).toMatchObject({
      status: 0,
    })
  })

  it('writes a comparison when it is told where', async () => {
    const out = join(folder, 'made')
    expect((await run('report', '--compare', before, after, '--out', out)).status).toBe(3)
    expect(readdirSync(out)).toEqual(['comparison.html'])
  })

  it('compares folders, and reports on them', async () => {
    const [a, b] = [join(folder, 'a'), join(folder, 'b')]
    await writeResult(join(a, 'cpu-example', 'result.json'), resultOf([timed('x', 10)]))
    await writeResult(join(b, 'result.json'), resultOf([timed('x', 20)]))
    writeFileSync(join(b, 'other.json'), '{"schemaVersion":1,"bench":"x"}')
    const out = join(folder, 'both')
    const compared = await run('report', '--compare', a, b, '--out', out)
    expect(compared).toMatchObject({
      status: 3,
      out: expect.stringContaining('1 comparisons: 1 slower'),
    })
    expect(compared.out).toContain('other.json is no result')
    expect(readdirSync(out)).toEqual(['comparison.html'])
    expect((await run('report', '--compare', b, a)).status).toBe(0)
    // A file beside a folder, and a folder alone.
    expect((await run('report', '--compare', before, b)).status).toBe(3)
    expect(await run('report', b, '--out', join(folder, 'page'))).toMatchObject({
      status: 0,
      error: expect.stringContaining('other.json is no result'),
    })
    mkdirSync(join(folder, 'empty'))
    expect(await run('report', '--compare', a, join(folder, 'empty'))).toMatchObject({
      status: 2,
      error: expect.stringContaining('no result in this folder'),
    })
  })

  it('says what is wrong with a file, and fails', async () => {
    writeFileSync(after, '{"schemaVersion":1,"bench":"x"}')
    const { status, error } = await run('report', after, '--out', join(folder, 'none'))
    expect(status).toBe(1)
    expect(error).toMatch(/after\.json:\n {2}the result must have required property 'kind'\n/)
  })

  it.each([
    [
      'one file to compare',
      ['report', '--compare', 'a.json'],
      /takes two files or two folders, not 1/,
    ],
    ['a threshold that is none', ['report', '--compare', 'a', 'b', '--threshold', 'x'], /not "x"/],
    ['a threshold without a comparison', ['report', 'a', '--threshold', '1'], /is for --compare/],
    ['no files', ['report'], /missing required argument/],
    ['an unknown command', ['repotr'], /unknown command/],
  ])('refuses %s with 2', async (_, argv, reason) => {
    const { status, error } = await run(...argv)
    expect(status).toBe(2)
    expect(error).toMatch(reason)
  })

  it('helps', async () => {
    const { status, out } = await run('report', '--help')
    expect(status).toBe(0)
    expect(out).toContain('--threshold')
  })
})
