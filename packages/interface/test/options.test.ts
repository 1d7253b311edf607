import { expect, test } from 'vitest'
import {
  boolean,
  nonNegativeInteger,
  oneOf,
  optionReasons,
  positiveInteger,
  required,
} from '../src/index.ts'

const rules = {
  limitBytes: required(positiveInteger),
  tailRows: nonNegativeInteger,
  layout: oneOf('split', 'interleaved'),
  prefixCache: boolean,
}

const messages = (options: object) => optionReasons(options, rules).map(({ message }) => message)

test('good options have no reasons against them', () => {
  expect(messages({ limitBytes: 1, tailRows: 0, layout: 'split', prefixCache: false })).toEqual([])
})

test('missing, wrong and unknown ones are all told, with the nearest name', () => {
  expect(messages({ tailrows: 3, layout: 'paged', prefixCache: 1, colour: 'red' })).toEqual([
    'limitBytes: a positive integer required, found nothing',
    'layout: "split" or "interleaved" required, found "paged"',
    'prefixCache: a boolean required, found 1',
    'tailrows is not an option (did you mean tailRows?)',
    'colour is not an option',
  ])
})

test('numbers that cannot be sizes are refused', () => {
  for (const limitBytes of [0, -1, 1.5, Number.NaN, Infinity, '1', 1n, 2 ** 53]) {
    expect(messages({ limitBytes })).toHaveLength(1)
  }
})
