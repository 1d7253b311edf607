/** What cases assert with: failures say where, what was expected and what was found. */
import type { VattentionError } from '@vattention/interface'

import { ConformanceFailure } from './case.ts'

/** Fails with `message` unless `condition` holds. */
export function expect(condition: boolean, message: string): asserts condition {
  if (!condition) throw new ConformanceFailure(message)
}

/** Fails unless both are the same value. */
export function expectEqual<T>(found: T, expected: T, what: string): void {
  expect(Object.is(found, expected), `${what}: expected ${expected}, found ${found}`)
}

/** Fails unless both have the same fields with the same values. */
export function expectSameFields(found: object, expected: object, what: string): void {
  const before = expected as Record<string, unknown>
  const after = found as Record<string, unknown>
  const differing = Object.keys(before).filter(
    (name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]),
  )
  const list = differing.map((name) => `${name}: ${before[name]} became ${after[name]}`)
  expect(list.length === 0, `${what}: ${list.join('; ')}`)
}

const words = new Uint32Array(2)
const floats = new Float32Array(words.buffer)

/** Whether two float32 values are the same bits; every NaN is the same NaN. */
export function sameBits(a: number, b: number): boolean {
  if (a !== a) return b !== b
  floats[0] = a
  floats[1] = b
  return words[0] === words[1]
}

/** Fails unless all values are the same bits. `where` names an index. */
export function expectSameBits(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  what: string,
  where: (index: number) => string = (index) => `[${index}]`,
): void {
  expectEqual(found.length, expected.length, `${what}: number of values`)
  for (let i = 0; i < found.length; i++) {
    const a = found[i]!
    const b = expected[i]!
    if (a === b && a !== 0) continue
    expect(sameBits(a, b), `${what}: ${where(i)} is ${a}, expected exactly ${b}`)
  }
}

/** The error that `action` throws; fails when it throws none or resolves. */
export async function errorOf(action: () => unknown, what: string): Promise<unknown> {
  try {
    await action()
  } catch (error) {
    return error
  }
  throw new ConformanceFailure(`${what}: expected an error, found none`)
}

/** Fails unless `action` throws (or rejects with) an error of this project with one of the codes. */
export async function expectError(
  action: () => unknown,
  codes: string | readonly string[],
  what: string,
): Promise<VattentionError> {
  const error = await errorOf(action, what)
  const allowed = typeof codes === 'string' ? [codes] : codes
  const found = error as Partial<VattentionError>
  // By code and not by class: the subject may carry its own copy of the interface package.
  expect(
    error instanceof Error && typeof found.code === 'string' && allowed.includes(found.code),
    `${what}: expected ${allowed.join(' or ')}, found ${found.code ?? error}: ${found.message ?? ''}`,
  )
  expect(found.message !== '', `${what}: ${found.code} has no message`)
  return error as VattentionError
}

/** The codes that cases expect. */
export const codes = {
  argument: 'ERR_VATTENTION_INVALID_ARGUMENT',
  options: 'ERR_VATTENTION_INVALID_OPTIONS',
  unsupported: 'ERR_VATTENTION_BACKEND_UNSUPPORTED',
  tensor: 'ERR_VATTENTION_INVALID_TENSOR',
  batch: 'ERR_VATTENTION_INVALID_BATCH',
  stale: 'ERR_VATTENTION_STALE_SEQUENCE',
  disposed: 'ERR_VATTENTION_DISPOSED',
  notPrepared: 'ERR_VATTENTION_NOT_PREPARED',
  busy: 'ERR_VATTENTION_BUSY',
  outOfMemory: 'ERR_VATTENTION_OUT_OF_MEMORY',
} as const
