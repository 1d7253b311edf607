import { errors, type VattentionError } from '@vattention/interface'

import { isNativeError, nativeStatus, toTypedError, type NativeError } from './native-error.ts'

/** What tells live handles from stale ones. */
export interface HandleCheck {
  /** Throws for a handle that is not live. */
  backedLength(sequence: number): number
}

/** Calls of one cache into the addon: not after disposal, and with the interface's errors. */
export class NativeCalls {
  readonly #isDisposed: () => boolean

  constructor(isDisposed: () => boolean) {
    this.#isDisposed = isDisposed
  }

  /** @throws `ERR_VATTENTION_DISPOSED` */
  check(): void {
    if (this.#isDisposed()) throw errors.disposed('The cache')
  }

  run<Result>(call: () => Result): Result {
    this.check()
    try {
      return call()
    } catch (error) {
      throw this.typed(error)
    }
  }

  async runAsync<Result>(call: () => Promise<Result>): Promise<Result> {
    this.check()
    try {
      return await call()
    } catch (error) {
      throw this.typed(error)
    }
  }

  /** A call about one sequence: also refuses what no handle can be. */
  ofSequence<Result>(sequence: number, cache: HandleCheck, call: () => Result): Result {
    this.check()
    if (!Number.isInteger(sequence) || sequence < 0 || sequence > 0xffffffff) {
      throw errors.invalidArgument('sequence', 'a sequence of this cache', String(sequence))
    }
    try {
      return call()
    } catch (error) {
      throw this.typed(error, Uint32Array.of(sequence), cache)
    }
  }

  /** The interface's error for one of the addon's; a stale handle is told by its number. */
  typed(error: unknown, sequences?: Uint32Array, cache?: HandleCheck): unknown {
    if (!isNativeError(error)) return error
    let typed: VattentionError
    if (error.status === nativeStatus.disposed) {
      typed = errors.disposed('The cache')
    } else if (error.status === nativeStatus.staleSequence && sequences && cache) {
      typed = errors.staleSequence(sequences.find((sequence) => isStale(sequence, cache)) ?? 0)
    } else {
      return toTypedError(error)
    }
    typed.cause = error
    return typed
  }

  static isStatus(error: unknown, status: number): error is NativeError {
    return isNativeError(error) && error.status === status
  }
}

function isStale(sequence: number, cache: HandleCheck): boolean {
  try {
    cache.backedLength(sequence)
    return false
  } catch {
    return true
  }
}
