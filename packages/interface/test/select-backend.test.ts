import { expect, test } from 'vitest'
import { ConfigurationError, selectBackend } from '../src/index.ts'
import { answering, config } from './support.ts'

const narrow = answering('narrow', { headDims: [256], dtypes: ['float32'] })
const wide = answering('wide')
const spare = answering('spare')

test('the first candidate that can serve is chosen, with every reason against those before it', () => {
  const { backend, rejected } = selectBackend(config, [narrow, wide, spare])
  expect(backend).toBe(wide)
  expect(rejected.map(({ name, reasons }) => [name, reasons.map(({ code }) => code)])).toEqual([
    ['narrow', ['headDim', 'dtype']],
  ])
})

test('a named backend is used though another comes first', () => {
  expect(selectBackend(config, [wide, spare], { name: 'spare' }).backend).toBe(spare)
})

test('a named backend is never replaced: all its reasons and who could serve', () => {
  expect(() => selectBackend(config, [wide, narrow], { name: 'narrow' })).toThrow(
    expect.objectContaining({
      code: 'ERR_VATTENTION_BACKEND_UNSUPPORTED',
      message: [
        'narrow cannot serve this configuration:',
        '  - head dim 256 required, found 64',
        '  - query dtype float32 required, found bfloat16',
        'Use wide (valid here), or let automatic selection choose.',
      ].join('\n'),
    }),
  )
})

test('an unknown name lists what was offered', () => {
  expect(() => selectBackend(config, [wide], { name: 'wider' })).toThrow(
    /No backend named wider; offered: wide\./,
  )
})

test('when none can serve, the error has every candidate and every reason', () => {
  try {
    selectBackend({ ...config, window: 7 }, [narrow, wide])
    expect.unreachable()
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError)
    const { code, reasons } = error as ConfigurationError
    expect(code).toBe('ERR_VATTENTION_NO_BACKEND')
    expect(reasons.map((reason) => reason.code)).toEqual(['headDim', 'dtype', 'window', 'window'])
  }
  expect(() => selectBackend(config, [])).toThrow(/No backend was offered/)
})
