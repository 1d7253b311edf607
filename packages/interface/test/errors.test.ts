import { expect, test } from 'vitest'
import { DeviceError, StateError, VattentionError, defineError, errors } from '../src/index.ts'

test('every row of the table has a unique code and a meaning', () => {
  const rows = Object.values(errors)
  expect(new Set(rows.map(({ code }) => code)).size).toBe(rows.length)
  for (const { code, meaning } of rows) {
    expect(code).toMatch(/^ERR_VATTENTION_[A-Z_]+$/)
    expect(meaning.length).toBeGreaterThan(20)
  }
})

test('an error carries its code, class and what a program needs', () => {
  const error = errors.deviceFailed('The step could not map a page.', 'mmap', 12)
  expect(error).toBeInstanceOf(DeviceError)
  expect(error).toBeInstanceOf(VattentionError)
  expect(error).toMatchObject({
    name: 'DeviceError',
    code: 'ERR_VATTENTION_DEVICE',
    driverCall: 'mmap',
    driverCode: 12,
  })
  expect(errors.disposed('The cache')).toBeInstanceOf(StateError)
})

test('a load error lists every attempt', () => {
  const attempts = [
    { from: 'a', reason: 'not installed' },
    { from: 'b', reason: 'version 1 does not match 2' },
  ]
  expect(errors.nativeLoad('@vattention/core', attempts, 'Install it.').message).toBe(
    '@vattention/core has no usable native addon. Tried:\n  - a: not installed\n  - b: version 1 does not match 2\nInstall it.',
  )
})

test('packages add rows of their own', () => {
  const row = defineError(
    'ERR_VATTENTION_TEST',
    'state',
    'only here',
    (code, n: number) => new StateError(code, `n=${n}`),
  )
  expect(row(3)).toMatchObject({ code: 'ERR_VATTENTION_TEST', message: 'n=3' })
  expect([row.code, row.kind, row.meaning]).toEqual(['ERR_VATTENTION_TEST', 'state', 'only here'])
})
