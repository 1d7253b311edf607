/** Where memory lies and work runs. */
export type Device =
  | { readonly type: 'cpu' }
  | { readonly type: 'cuda'; /** CUDA's device number. */ readonly index: number }

/** The CPU. */
export const cpu: Device = Object.freeze({ type: 'cpu' })

/** Whether two devices are the same one. */
export function sameDevice(a: Device, b: Device): boolean {
  return a.type === b.type && deviceIndex(a) === deviceIndex(b)
}

/** The device's number: 0 on the CPU. */
export function deviceIndex(device: Device): number {
  return device.type === 'cuda' ? device.index : 0
}

/** The number of `vattn_device_type` in the C ABI (DLPack's). */
export function deviceTypeCode(device: Device): number {
  return device.type === 'cpu' ? 1 : 2
}

/** `cpu`, `cuda:0`. */
export function deviceName(device: Device): string {
  return device.type === 'cpu' ? 'cpu' : `cuda:${device.index}`
}

/**
 * Work in order: a CUDA stream by its handle, on the CPU the calling thread (handle `0n`) or the
 * address of a `vattn_timeline`.
 */
export interface Stream {
  readonly device: Device
  readonly handle: bigint
}

/** A point in a stream's order. Disposing it forgets the point; nothing waits for it any more. */
export interface Fence extends Disposable {
  /** Whether everything submitted before the fence was recorded has completed. Never blocks. */
  readonly done: boolean
  /** Resolves once `done` is true. */
  wait(): Promise<void>
}
