/**
 * Errors of addons as the interface's classes. An addon throws, or rejects with, a plain Error that
 * carries `code`, `status`, `driverCall` and `driverCode` (native/node/error.h).
 */
import {
  ConfigurationError,
  DeviceError,
  OutOfMemoryError,
  StateError,
  type VattentionError,
} from '@vattention/interface'

/** What an addon's error carries. `status` is a `vattn_status`. */
export interface NativeError extends Error {
  readonly code: string
  readonly status: number
  /** Empty when no driver call failed. */
  readonly driverCall: string
  readonly driverCode: number
}

/** Numbers of `vattn_status` in native/include/vattention/status.h. */
export const nativeStatus = {
  ok: 0,
  invalidArgument: 1,
  unsupported: 2,
  outOfMemory: 3,
  deviceError: 4,
  staleSequence: 5,
  disposed: 6,
  noSlot: 7,
  notBacked: 8,
  busy: 9,
  internal: 10,
} as const

/** Whether `error` came from the C ABI through one of our addons. */
export function isNativeError(error: unknown): error is NativeError {
  return error instanceof Error && typeof (error as Partial<NativeError>).status === 'number'
}

/** The typed error for one that an addon threw, with it as `cause`; anything else is returned as it is. */
export function toTypedError(error: unknown): unknown {
  if (!isNativeError(error)) return error
  const { code, message, status, driverCall, driverCode } = error
  const options = { cause: error }
  let typed: VattentionError
  switch (status) {
    case nativeStatus.invalidArgument:
    case nativeStatus.unsupported:
    case nativeStatus.notBacked:
      typed = new ConfigurationError(code, message, [], options)
      break
    case nativeStatus.outOfMemory:
      typed = new OutOfMemoryError(code, message, options)
      break
    case nativeStatus.deviceError:
      typed = new DeviceError(code, message, driverCall, driverCode, options)
      break
    default:
      typed = new StateError(code, message, options)
  }
  return typed
}

/** Calls into an addon; its errors arrive as the interface's. */
export function callNative<Result>(call: () => Result): Result {
  try {
    return call()
  } catch (error) {
    throw toTypedError(error)
  }
}

/** As `callNative`, for calls that return promises. */
export async function callNativeAsync<Result>(call: () => Promise<Result>): Promise<Result> {
  try {
    return await call()
  } catch (error) {
    throw toTypedError(error)
  }
}
