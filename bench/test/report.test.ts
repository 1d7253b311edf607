import { beforeAll, describe, expect, it } from 'vitest'

import { renderReport, type Report } from '../src/index.ts'
import { barsOf } from '../src/report/bars.ts'
import { escapeText } from '../src/report/html/html.ts'
import { committed } from './support/committed.ts'
import { resultOf, timed } from './support/result.ts'

describe('the report of the committed results', () => {
  let report: Report
  beforeAll(async () => {
    report = await renderReport(await committed())
  })

  it('has plots of every bench, for each machine', async () => {
    const names = [...report.svgs.keys()]
    // Of two machines the first is the CPU: results are read in the order of their folders.
    const benches = (await committed()).map(({ source, result: { bench } }) => {
      return { source, plots: names.filter((name) => name.startsWith(bench)) }
    })
    expect(benches.filter(({ plots }) => plots.length === 0)).toEqual([])
    // The paper's comparisons, of the GPU.
    expect(names).toEqual(
      expect.arrayContaining([
        ...['prefill-2', 'prefill-layout-2', 'prefill-kernels-2', 'decode-2', 'decode-ratios-2'],
        ...['layout-decode-2', 'layout-pages-prefill-2', 'iterations-2', 'overlap-2', 'roofline-2'],
      ]),
    )
  })

  it('draws numbers, all of them', () => {
    for (const svg of report.svgs.values()) {
      expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="[^"]+"/)
      expect(svg).not.toMatch(/NaN|undefined|Infinity/)
    }
  })

  /** What of some texts the page does not have. */
  const missing = (texts: readonly string[]) =>
    texts.filter((text) => !report.html.includes(escapeText(text)))

  it('says of every bar how it came out', async () => {
    const results = await committed()
    expect(missing(results.flatMap(({ result }) => result.bars.map(({ name }) => name)))).toEqual(
      [],
    )
    for (const { bench, name, state } of barsOf(results.map((one) => ({ ...one, cases: [] })))) {
      expect(['met', 'missed', 'undecided', 'unmeasured'], `${bench}: ${name}`).toContain(state)
    }
    const states = [...report.html.matchAll(/<span class="(\w+)">\s*\1\s*<\/span>/g)]
    expect(states).toHaveLength(results.flatMap(({ result }) => result.bars).length)
  })

  it('says how each file was measured, and what was skipped', async () => {
    const results = await committed()
    expect(
      missing(
        results.flatMap(({ result, source }) => [
          source.split('/').at(-1)!,
          result.command,
          result.commit,
          result.host.os,
          ...(result.device?.driver ? [result.device.driver] : []),
          ...result.skipped.flatMap(({ case: name, reason }) => [name, reason]),
        ]),
      ),
    ).toEqual([])
  })

  it('has no number without a place in a file', async () => {
    const [decode] = await committed(/h200.decode/)
    expect(missing(decode!.result.cases.map((_, i) => `cases[${i}]`))).toEqual([])
  })

  it('needs nothing from elsewhere', () => {
    expect(report.html.match(/(?:src|href)="(?!#|data:)[^"]*"|@import|url\((?!#)/g)).toBe(null)
  })

  it('is the same when it is made again', async () => {
    const again = await renderReport(await committed())
    expect(again.html === report.html).toBe(true)
    expect([...again.svgs]).toEqual([...report.svgs])
  })
})

describe('the report of other results', () => {
  it('draws a bench that it knows nothing about', async () => {
    const { svgs, html } = await renderReport([
      { source: 'example.json', result: resultOf([timed('one', 3), timed('two', 4)]) },
    ])
    expect([...svgs.keys()]).toEqual(['example-ms'])
    expect(svgs.get('example-ms')).toContain('time, ms (lower is better)')
    expect(html.includes('example.json')).toBe(true)
  })

  it('says of a smoke run what it is, in every plot, too', async () => {
    const result = resultOf([timed('one', 3)], { label: 'smoke' })
    const { svgs, html } = await renderReport([{ source: 'smoke.json', result }])
    expect(svgs.size).toBe(1)
    for (const svg of svgs.values()) expect(svg).toContain('(smoke run)')
    expect(html).toContain('This is a smoke run')
    expect(html).toContain('A smoke run')
  })

  it('escapes what results call their cases', async () => {
    const name = '<script>alert("x")</script>'
    const { html, svgs } = await renderReport([
      { source: 'x.json', result: resultOf([timed(name, 3)]) },
    ])
    expect(html.includes('<script>alert')).toBe(false)
    for (const svg of svgs.values()) expect(svg).not.toContain('<script>')
  })

  it('is of one result at least', async () => {
    await expect(renderReport([])).rejects.toThrow(RangeError)
  })
})
