import { deviceIndex, type Device } from '@vattention/interface'

import { callNative } from '../../../native/node/native-error.ts'
import { addon } from './addon.ts'
import { checkCudaDevice } from './check-device.ts'

/** A GPU. */
export interface CudaDeviceInfo {
  readonly device: Device
  /** As the driver calls it, `NVIDIA H200`. */
  readonly name: string
  /** `GPU-...`: the same in every process, and as NVIDIA's tools write it. */
  readonly uuid: string
  /** `9.0`; what backends are built for. */
  readonly computeCapability: string
  readonly totalBytes: number
  /** What nobody on this machine has taken. */
  readonly freeBytes: number
  /** Why it cannot be used, in words; absent when it can. */
  readonly unusable?: string
}

/** The GPUs that caches and tensors can be made on. */
export interface DeviceList {
  readonly devices: readonly CudaDeviceInfo[]
  /** The CUDA version that the driver is for, `13.0`; absent without one. */
  readonly driverVersion?: string
  /** Why there are none, in words; absent when there are. */
  readonly reason?: string
}

/**
 * The GPUs of this machine, as NVIDIA's driver shows them to this process. Without any the reason
 * says what is missing. Opens each of them for a moment, to ask for its memory.
 *
 * @throws `ERR_VATTENTION_NATIVE_LOAD`
 */
export function devices(): DeviceList {
  const list = callNative(() => addon().devices())
  return {
    devices: list.devices.map(({ index, unusable, ...about }) => ({
      device: { type: 'cuda', index },
      ...about,
      ...(unusable && { unusable }),
    })),
    ...(list.driverVersion && { driverVersion: list.driverVersion }),
    ...(list.reason && { reason: list.reason }),
  }
}

/**
 * A GPU's memory, in bytes. What tensors of this thread have given back counts as free, unless work
 * in flight may still use it.
 *
 * @throws `ERR_VATTENTION_INVALID_ARGUMENT`, `ERR_VATTENTION_UNSUPPORTED` without the GPU.
 */
export function deviceMemory(device: Device): {
  readonly totalBytes: number
  readonly freeBytes: number
} {
  checkCudaDevice(device)
  return callNative(() => addon().deviceMemory(deviceIndex(device)))
}
