/** Checks of the arguments of a cache's calls: typed errors before anything native is reached. */
import {
  deviceName,
  errors,
  optionReasons,
  sameDevice,
  type AllocateOptions,
  type Device,
  type OptionRule,
  type Stream,
} from '@vattention/interface'

const allocateRules: Record<keyof AllocateOptions, OptionRule> = {
  prefix: { expected: 'a Uint32Array', check: (value) => value instanceof Uint32Array },
  salt: { expected: 'a string', check: (value) => typeof value === 'string' },
}

const nameOf = (value: unknown): string =>
  typeof value === 'object' && value !== null ? value.constructor.name : String(value)

/**
 * Checks an options object of a call.
 * @throws `ERR_VATTENTION_INVALID_OPTIONS`, `ERR_VATTENTION_INVALID_ARGUMENT`
 */
export function checkOptions(
  what: string,
  options: object | undefined,
  rules: Readonly<Record<string, OptionRule>>,
): void {
  if (options === undefined) return
  if (typeof options !== 'object' || options === null) {
    throw errors.invalidArgument('options', 'an object', String(options))
  }
  const reasons = optionReasons(options, rules)
  if (reasons.length > 0) throw errors.invalidOptions(what, reasons)
}

/** @throws `ERR_VATTENTION_INVALID_OPTIONS`, `ERR_VATTENTION_INVALID_ARGUMENT` */
export function checkAllocate(options: AllocateOptions | undefined): void {
  checkOptions('A sequence', options, allocateRules)
}

/** @throws `ERR_VATTENTION_INVALID_ARGUMENT` */
export function checkStep(sequences: Uint32Array, lengths: Uint32Array): void {
  if (!(sequences instanceof Uint32Array)) {
    throw errors.invalidArgument('sequences', 'a Uint32Array', nameOf(sequences))
  }
  if (!(lengths instanceof Uint32Array)) {
    throw errors.invalidArgument('lengths', 'a Uint32Array', nameOf(lengths))
  }
  if (lengths.length !== sequences.length) {
    throw errors.invalidArgument(
      'lengths',
      `${sequences.length} lengths, one for each sequence`,
      String(lengths.length),
    )
  }
}

/** @throws `ERR_VATTENTION_INVALID_ARGUMENT` */
export function checkLength(name: string, value: number, most: number, least = 0): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return
  throw errors.invalidArgument(name, `an integer of ${least}..${most}`, String(value))
}

/** @throws `ERR_VATTENTION_INVALID_ARGUMENT` */
export function checkPublish(tokens: Uint32Array, salt: string): void {
  if (!(tokens instanceof Uint32Array)) {
    throw errors.invalidArgument('tokens', 'a Uint32Array', nameOf(tokens))
  }
  if (typeof salt !== 'string') throw errors.invalidArgument('salt', 'a string', nameOf(salt))
}

/**
 * Threads of the host may work on a GPU's cache too, through copies, so streams of the CPU are fine
 * everywhere.
 *
 * @throws `ERR_VATTENTION_INVALID_ARGUMENT`
 */
export function checkStream(stream: Stream, device: Device): void {
  if (
    typeof stream !== 'object' ||
    stream === null ||
    typeof stream.handle !== 'bigint' ||
    stream.handle < 0n
  ) {
    throw errors.invalidArgument('stream', 'a stream: { device, handle }', nameOf(stream))
  }
  if (stream.device.type !== 'cpu' && !sameDevice(stream.device, device)) {
    const expected = `a stream of ${deviceName(device)}`
    throw errors.invalidArgument('stream', expected, deviceName(stream.device))
  }
}

/** Whether this is no stream but the thread that calls, whose work is done when its calls return. */
export const isCallingThread = ({ device, handle }: Stream): boolean =>
  device.type === 'cpu' && handle === 0n
