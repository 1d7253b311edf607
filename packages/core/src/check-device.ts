import { deviceIndex, errors, type Device, type Stream } from '@vattention/interface'

const mostIndex = 2 ** 31 - 1

const show = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part)) ??
  String(value)

/** @throws `ERR_VATTENTION_INVALID_ARGUMENT` */
export function checkDevice(device: Device): void {
  if (isDevice(device)) return
  const expected = "{ type: 'cpu' } or { type: 'cuda', index }"
  throw errors.invalidArgument('device', expected, show(device))
}

/** @throws `ERR_VATTENTION_INVALID_ARGUMENT` */
export function checkCudaDevice(device: Device): void {
  if (isDevice(device) && device.type === 'cuda') return
  throw errors.invalidArgument('device', "a GPU: { type: 'cuda', index }", show(device))
}

/**
 * Of any device.
 * @throws `ERR_VATTENTION_INVALID_ARGUMENT`, `ERR_VATTENTION_DISPOSED`
 */
export function checkAnyStream(stream: Stream): void {
  if (!isStream(stream)) {
    throw errors.invalidArgument('stream', 'a stream: { device, handle }', nameOf(stream))
  }
  checkLive(stream)
}

/** @throws `ERR_VATTENTION_INVALID_ARGUMENT`, `ERR_VATTENTION_DISPOSED` */
export function checkCudaStream(stream: Stream): void {
  if (!isStream(stream) || stream.device.type !== 'cuda') {
    const expected = "a stream of a GPU: { device: { type: 'cuda', index }, handle }"
    throw errors.invalidArgument('stream', expected, nameOf(stream))
  }
  checkLive(stream)
}

/** A stream that knows whether it still is one: a handle alone does not. */
function checkLive(stream: Stream & { readonly disposed?: boolean }): void {
  if (stream.disposed) throw errors.disposed('The stream')
}

function isDevice(device: Device | undefined | null): boolean {
  if (device?.type === 'cpu') return true
  const index = device?.type === 'cuda' ? deviceIndex(device) : -1
  return Number.isSafeInteger(index) && index >= 0 && index <= mostIndex
}

function isStream(stream: Stream | undefined | null): boolean {
  if (typeof stream !== 'object' || stream === null) return false
  const { device, handle } = stream
  return isDevice(device) && typeof handle === 'bigint' && handle >= 0n && handle < 2n ** 64n
}

function nameOf(stream: Stream | undefined | null): string {
  if (typeof stream !== 'object' || stream === null) return String(stream)
  const { device, handle } = stream
  return `{ device: ${show(device)}, handle: ${String(handle)} }`
}
