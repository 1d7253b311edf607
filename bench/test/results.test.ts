// Every result that is committed satisfies the schema, and loses nothing on the way to its readers.
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { describe, expect, it } from 'vitest'

import { caseKey, measuredCases, readResult, resultReasons, unitOf } from '../src/index.ts'

const folder = fileURLToPath(new URL('../results', import.meta.url))
const files = readdirSync(folder).filter((name) => name.endsWith('.json'))

describe('committed results', () => {
  it('there are some of both machines', () => {
    expect(files).toContain('gpu-decode.json')
    expect(files).toContain('cpu-attention.json')
  })

  describe.each(files)('%s', (file) => {
    const path = join(folder, file)

    it('is a result, and only older forms are migrated', async () => {
      const { result, source } = await readResult(path)
      expect(source).toBe(path)
      expect(resultReasons(result)).toEqual([])
      const stored = JSON.parse(readFileSync(path, 'utf8'))
      if (result.migratedFrom === undefined) expect(result).toEqual(stored)
      else expect(stored).not.toHaveProperty('bench')
    })

    it('has cases that are told apart, with units', async () => {
      const { result } = await readResult(path)
      const cases = measuredCases(result)
      expect(cases.length).toBeGreaterThan(0)
      const keys = cases.map(({ parameters }) => caseKey(parameters))
      expect(new Set(keys).size).toBe(keys.length)
      for (const { metrics } of cases) for (const key of Object.keys(metrics)) unitOf(key)
    })
  })

  it("every case of a GPU's result with samples is measured", async () => {
    for (const file of files.filter((name) => name.startsWith('gpu-'))) {
      const { result } = await readResult(join(folder, file))
      const read = new Set(measuredCases(result).map(({ index }) => index))
      result.cases.forEach((one, index) => {
        if ('samples' in one || 'ratio' in one) expect(read).toContain(index)
      })
    }
  })

  it('the bars of migrated results are those that their benches print', async () => {
    const { result } = await readResult(join(folder, 'engine-vs-llama.json'))
    const stored = JSON.parse(readFileSync(join(folder, 'engine-vs-llama.json'), 'utf8'))
    expect(result.bars.map(({ value, bar, met }) => ({ value, bar, met }))).toEqual(
      stored.cases.map(({ ratio, bar }: { ratio: number; bar: number }) => ({
        value: ratio,
        bar,
        met: ratio >= bar,
      })),
    )
  })
})
