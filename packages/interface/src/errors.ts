/**
 * Errors with stable codes. Each package has one table of them; the errors page of the docs is
 * generated from the tables. A retired code is never used again.
 */

/** One reason why something cannot be done, for people (`message`) and for programs. */
export interface Reason {
  /** Stable, like `headDim` or `window`: the axis that does not fit. */
  readonly code: string
  /** A sentence. */
  readonly message: string
  readonly expected: string
  readonly found: string
}

/** Base of every error this project throws. */
export class VattentionError extends Error {
  override readonly name: string = 'VattentionError'
  constructor(
    /** `ERR_VATTENTION_...`: stable. */
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** Something given cannot be used. Nothing changed. Lists all reasons, not the first. */
export class ConfigurationError extends VattentionError {
  override readonly name = 'ConfigurationError'
  constructor(
    code: string,
    message: string,
    readonly reasons: readonly Reason[] = [],
    options?: ErrorOptions,
  ) {
    super(code, message, options)
  }
}

/** Memory that a call promised is not there. `step` never throws it: it returns `outOfMemory`. */
export class OutOfMemoryError extends VattentionError {
  override readonly name = 'OutOfMemoryError'
}

/** A driver call failed. */
export class DeviceError extends VattentionError {
  override readonly name = 'DeviceError'
  constructor(
    code: string,
    message: string,
    /** The call that failed, such as `fallocate` or `cuMemCreate`. */
    readonly driverCall: string,
    /** Its code: errno, CUresult or cudaError_t. */
    readonly driverCode: number,
    options?: ErrorOptions,
  ) {
    super(code, message, options)
  }
}

/** The object was disposed, the sequence freed, or another call is using it. */
export class StateError extends VattentionError {
  override readonly name = 'StateError'
}

/** What kind of error a code stands for. */
export type ErrorKind = 'configuration' | 'outOfMemory' | 'device' | 'state'

/** A row of an error table: calling it makes the error. */
export interface ErrorDefinition<Args extends unknown[] = never[], E = VattentionError> {
  (...args: Args): E
  readonly code: string
  readonly kind: ErrorKind
  /** When it happens and what to do, for the errors page. */
  readonly meaning: string
}

/** Adds a row to a package's table. `make` gets the code and the caller's arguments. */
export function defineError<Args extends unknown[], E extends VattentionError>(
  code: `ERR_VATTENTION_${string}`,
  kind: ErrorKind,
  meaning: string,
  make: (code: string, ...args: Args) => E,
): ErrorDefinition<Args, E> {
  return Object.assign((...args: Args) => make(code, ...args), { code, kind, meaning })
}

const list = (reasons: readonly Reason[]) =>
  reasons.map((reason) => `\n  - ${reason.message}`).join('')

/** The errors of the contract itself: any cache and any backend throws these. */
export const errors = {
  invalidArgument: defineError(
    'ERR_VATTENTION_INVALID_ARGUMENT',
    'configuration',
    'A value has the wrong type, range or combination. The message names it, what was expected and what was received.',
    (code, name: string, expected: string, received: string) =>
      new ConfigurationError(code, `Expected ${expected} for ${name}, received ${received}.`, [
        {
          code: name,
          message: `${name}: ${expected} required, found ${received}`,
          expected,
          found: received,
        },
      ]),
  ),
  invalidOptions: defineError(
    'ERR_VATTENTION_INVALID_OPTIONS',
    'configuration',
    'One or more options cannot be used; `reasons` lists all of them. Unknown option names are refused too.',
    (code, what: string, reasons: readonly Reason[]) =>
      new ConfigurationError(
        code,
        `${what} cannot be made with these options:${list(reasons)}`,
        reasons,
      ),
  ),
  backendUnsupported: defineError(
    'ERR_VATTENTION_BACKEND_UNSUPPORTED',
    'configuration',
    'A backend cannot serve the configuration; `reasons` lists every one. Change the configuration or let `selectBackend` choose.',
    (code, backend: string, reasons: readonly Reason[], advice = '') =>
      new ConfigurationError(
        code,
        `${backend} cannot serve this configuration:${list(reasons)}${advice && `\n${advice}`}`,
        reasons,
      ),
  ),
  noBackend: defineError(
    'ERR_VATTENTION_NO_BACKEND',
    'configuration',
    'No candidate can serve the configuration. The message has every candidate with all its reasons.',
    (code, rejected: readonly { name: string; reasons: readonly Reason[] }[]) =>
      new ConfigurationError(
        code,
        rejected.length === 0
          ? 'No backend was offered. Install one, @vattention/cpu for example, and pass it as a candidate.'
          : `No backend can serve this configuration.${rejected
              .map(({ name, reasons }) => `\n${name}:${list(reasons)}`)
              .join('')}`,
        rejected.flatMap(({ reasons }) => reasons),
      ),
  ),
  unknownBackend: defineError(
    'ERR_VATTENTION_UNKNOWN_BACKEND',
    'configuration',
    'A backend was asked for by a name that no candidate has. It is never replaced by another.',
    (code, name: string, known: readonly string[]) =>
      new ConfigurationError(
        code,
        `No backend named ${name}; offered: ${known.join(', ') || 'none'}.`,
      ),
  ),
  invalidTensor: defineError(
    'ERR_VATTENTION_INVALID_TENSOR',
    'configuration',
    'A tensor given to `run`, `append` or `merge` has the wrong shape, dtype, strides or device. Nothing was written.',
    (code, name: string, reasons: readonly Reason[]) =>
      new ConfigurationError(code, `${name} cannot be used:${list(reasons)}`, reasons),
  ),
  invalidBatch: defineError(
    'ERR_VATTENTION_INVALID_BATCH',
    'configuration',
    'A batch given to `prepare` breaks a limit or reaches beyond what `step` backed. Nothing was enqueued.',
    (code, reasons: readonly Reason[]) =>
      new ConfigurationError(code, `The batch cannot be prepared:${list(reasons)}`, reasons),
  ),
  invalidManifest: defineError(
    'ERR_VATTENTION_INVALID_MANIFEST',
    'configuration',
    'A manifest of exported pages is of another version, contradicts itself or the files, or gives less than was asked for; `reasons` lists what. Nothing was mapped.',
    (code, reasons: readonly Reason[]) =>
      new ConfigurationError(code, `The pages cannot be imported:${list(reasons)}`, reasons),
  ),
  unsupported: defineError(
    'ERR_VATTENTION_UNSUPPORTED',
    'configuration',
    'A valid request that this implementation cannot serve. The message says what would.',
    (code, message: string) => new ConfigurationError(code, message),
  ),
  outOfMemory: defineError(
    'ERR_VATTENTION_OUT_OF_MEMORY',
    'outOfMemory',
    'Memory that a call promised is not there (making a cache, a tensor, a plan). `step` never throws it: it returns `outOfMemory`.',
    (code, what: string, bytes: number, advice: string) =>
      new OutOfMemoryError(code, `${what} needs ${bytes} bytes that are not available. ${advice}`),
  ),
  deviceFailed: defineError(
    'ERR_VATTENTION_DEVICE',
    'device',
    'A driver call failed for a reason other than memory. The error has the call and its code; state is as before the call.',
    (code, message: string, driverCall: string, driverCode: number) =>
      new DeviceError(code, message, driverCall, driverCode),
  ),
  staleSequence: defineError(
    'ERR_VATTENTION_STALE_SEQUENCE',
    'state',
    "A sequence was used after `free`, or with another cache. Another sequence's data is never returned.",
    (code, sequence: number) =>
      new StateError(
        code,
        `Sequence ${sequence} is not live in this cache: it was freed, or is of another cache.`,
      ),
  ),
  disposed: defineError(
    'ERR_VATTENTION_DISPOSED',
    'state',
    'An object was used after `dispose`.',
    (code, what: string) =>
      new StateError(code, `${what} was disposed and cannot be used any more.`),
  ),
  busy: defineError(
    'ERR_VATTENTION_BUSY',
    'state',
    'An object is in use by a call that has not ended, such as a plan in `runAsync`. Await that call first.',
    (code, message: string) => new StateError(code, message),
  ),
  notPrepared: defineError(
    'ERR_VATTENTION_NOT_PREPARED',
    'state',
    '`run` or `append` was called before `prepare`.',
    (code) => new StateError(code, 'Call prepare() with a batch before run() or append().'),
  ),
  nativeLoad: defineError(
    'ERR_VATTENTION_NATIVE_LOAD',
    'device',
    'The native part of a package could not be loaded. The message has every place that was tried and why it failed.',
    (code, what: string, attempts: readonly { from: string; reason: string }[], advice: string) =>
      new DeviceError(
        code,
        `${what} has no usable native addon. Tried:${attempts
          .map(({ from, reason }) => `\n  - ${from}: ${reason}`)
          .join('')}\n${advice}`,
        'dlopen',
        0,
      ),
  ),
  backendUnavailable: defineError(
    'ERR_VATTENTION_BACKEND_UNAVAILABLE',
    'device',
    'A backend cannot compute on this machine: there is no driver, no such GPU, or the driver is too old. The message says which, and the driver call that told.',
    (code, backend: string, reason: string, driverCall: string, driverCode: number) =>
      new DeviceError(code, `${backend} is not available here: ${reason}`, driverCall, driverCode),
  ),
  internal: defineError(
    'ERR_VATTENTION_INTERNAL',
    'state',
    'A broken invariant: a bug of ours. Please report it with the message.',
    (code, message: string) => new StateError(code, message),
  ),
} as const
