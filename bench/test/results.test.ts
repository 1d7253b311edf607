// Every result that is committed satisfies the schema, and loses nothing on the way to its readers.
import { readFileSync } from 'node:fs'

import { describe, expect, it } from 'vitest'

import { caseKey, placedCases, readResult, resultReasons, unitOf } from '../src/index.ts'
import { committedFiles } from './support/committed.ts'

/** `h200/decode.json` */
const nameOf = (path: string) => path.split('/').slice(-2).join('/')

describe('committed results', () => {
  it('there are some of both machines', () => {
    const names = committedFiles.map(nameOf)
    for (const name of ['h200/decode.json', 'cpu/decode.json']) expect(names).toContain(name)
  })

  describe.each(committedFiles.map((path) => [nameOf(path), path] as const))('%s', (_, path) => {
    it('is a result, and is read as it was written', async () => {
      const { result, source } = await readResult(path)
      expect(source).toBe(path)
      expect(resultReasons(result)).toEqual([])
      expect(result).toEqual(JSON.parse(readFileSync(path, 'utf8')))
      expect(result.label).toBe('full')
    })

    it('has cases that are told apart, with units', async () => {
      const { result } = await readResult(path)
      const cases = placedCases(result)
      expect(cases.length).toBeGreaterThan(0)
      const keys = cases.map(({ parameters }) => caseKey(parameters))
      expect(new Set(keys).size).toBe(keys.length)
      for (const { metrics } of cases) for (const key of Object.keys(metrics)) unitOf(key)
    })
  })
})
