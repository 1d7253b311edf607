import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { format } from 'prettier'

import {
  parseResult,
  readResult,
  ResultError,
  resultReasons,
  resultSchema,
  writeResult,
  type Result,
} from '../src/index.ts'
import { resultOf, timed } from './support/result.ts'

const valid = () => resultOf([timed('a', 2)])

describe('the schema of results', () => {
  it('is the file that is shipped', async () => {
    const text = await format(JSON.stringify(resultSchema), { parser: 'json', printWidth: 100 })
    await expect(text).toMatchFileSnapshot('../schema/result.schema.json')
  })

  it('accepts a result', () => {
    expect(resultReasons(valid())).toEqual([])
  })

  // Each breaks a result in one way.
  const broken: Record<string, [change: (one: Result) => unknown, reason: RegExp]> = {
    'NaN where a number is due': [(one) => ({ ...one, seconds: NaN }), /^seconds must be number/],
    'an infinite median': [
      (one) => ({ ...one, cases: [timed('a', Infinity)] }),
      /^cases\.0\.metrics\.ms\.median must be number/,
    ],
    'a metric without a unit': [
      (one) => ({ ...one, cases: [{ name: 'a', parameters: {}, metrics: { time: 3 } }] }),
      /"time" should end in a unit/,
    ],
    'a key that nobody knows': [
      (one) => ({ ...one, extra: 1 }),
      /must NOT have additional properties \("extra"\)/,
    ],
    'a case in no known form': [
      (one) => ({ ...one, cases: [{ name: 'a', ms: 3 }] }),
      /^cases\.0 must have required property 'metrics'/,
    ],
    'a date that is none': [(one) => ({ ...one, startedAt: 'yesterday' }), /^startedAt must match/],
    'a label that is none': [(one) => ({ ...one, label: 'quick' }), /^label must/],
    'a skipped case without a reason': [
      (one) => ({ ...one, skipped: [{ case: 'x', reason: '' }] }),
      /^skipped\.0\.reason must NOT have fewer/,
    ],
    'a bar that is met and is not': [
      (one) => ({
        ...one,
        bars: [{ name: 'b', value: 1, kind: 'atLeast', bar: 2, met: true }],
      }),
      /"b" is true, and 1 is not/,
    ],
    'a bar whose interval decides otherwise': [
      (one) => ({
        ...one,
        bars: [
          {
            name: 'b',
            value: 3,
            low: 1,
            high: 4,
            kind: 'atLeast',
            bar: 2,
            met: true,
            decided: true,
          },
        ],
      }),
      /"b" is not decided as its interval says/,
    ],
    'a bar judged without a value': [
      (one) => ({
        ...one,
        bars: [{ name: 'b', value: null, kind: 'atLeast', bar: 2, met: false }],
      }),
      /"b" is judged without a value/,
    ],
    'two cases that nothing tells apart': [
      (one) => ({ ...one, cases: [timed('a', 1), timed('a', 2)] }),
      /"a" has the parameters of another case/,
    ],
  }
  it.each(Object.entries(broken))('refuses %s', (_, [change, reason]) => {
    const reasons = resultReasons(change(valid()))
    expect(reasons).toContainEqual(expect.stringMatching(reason))
  })

  it('lists all reasons, not the first', () => {
    const { commit: _, command: __, ...rest } = valid()
    expect(resultReasons({ ...rest, label: 'x' })).toHaveLength(
      resultReasons({ ...valid(), label: 'x' }).length + 2,
    )
  })

  it('refuses other versions by number', () => {
    const parse = () => parseResult({ ...valid(), schemaVersion: 7 }, 'new.json')
    expect(parse).toThrow(
      expect.objectContaining({
        code: 'ERR_VATTENTION_RESULT_VERSION',
        message: 'new.json: schema version 7; this reader knows 1',
      }),
    )
  })
})

describe('result files', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'vattention-results-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('come back as they were written', async () => {
    const file = join(folder, 'deep/er/result.json')
    await writeResult(file, valid())
    expect(await readResult(file)).toEqual({ source: file, result: valid() })
  })

  it('are not written when they are none', async () => {
    const file = join(folder, 'result.json')
    await expect(writeResult(file, { ...valid(), seconds: NaN })).rejects.toThrow(ResultError)
    expect(readdirSync(folder)).toEqual([])
  })

  it('that are no JSON are told by name', async () => {
    const file = join(folder, 'result.json')
    writeFileSync(file, '{ "schemaVersion": 1, ')
    await expect(readResult(file)).rejects.toThrow(/result\.json: not JSON/)
    expect(readFileSync(file, 'utf8')).not.toBe('')
  })
})
