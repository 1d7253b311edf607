import {
  ConfigurationError,
  DeviceError,
  OutOfMemoryError,
  StateError,
} from '@vattention/interface'
import { describe, expect, it } from 'vitest'

import { callNative, callNativeAsync, nativeStatus, toTypedError } from '../node/native-error.ts'

const native = (status: number, code = 'ERR_VATTENTION_DEVICE') =>
  Object.assign(new Error('expected this, found that'), {
    code,
    status,
    driverCall: 'fallocate',
    driverCode: 28,
  })

describe('native errors', () => {
  it.each([
    [nativeStatus.invalidArgument, ConfigurationError],
    [nativeStatus.unsupported, ConfigurationError],
    [nativeStatus.notBacked, ConfigurationError],
    [nativeStatus.outOfMemory, OutOfMemoryError],
    [nativeStatus.deviceError, DeviceError],
    [nativeStatus.staleSequence, StateError],
    [nativeStatus.disposed, StateError],
    [nativeStatus.busy, StateError],
    [nativeStatus.internal, StateError],
  ])('status %i becomes its class, with code, text and cause kept', (status, expected) => {
    const cause = native(status, 'ERR_VATTENTION_SOME')
    const error = toTypedError(cause)
    expect(error).toBeInstanceOf(expected)
    expect(error).toMatchObject({ code: 'ERR_VATTENTION_SOME', message: cause.message, cause })
  })

  it('a device error names the driver call and its code', () => {
    const error = toTypedError(native(nativeStatus.deviceError))
    expect(error).toMatchObject({ driverCall: 'fallocate', driverCode: 28 })
  })

  it('an error of another origin stays what it is', () => {
    const error = new TypeError('elsewhere')
    expect(toTypedError(error)).toBe(error)
    expect(() =>
      callNative(() => {
        throw error
      }),
    ).toThrow(error)
  })

  it('a rejected promise is translated too', async () => {
    await expect(
      callNativeAsync(() => Promise.reject(native(nativeStatus.busy))),
    ).rejects.toBeInstanceOf(StateError)
    await expect(callNativeAsync(() => Promise.resolve(7))).resolves.toBe(7)
  })
})
