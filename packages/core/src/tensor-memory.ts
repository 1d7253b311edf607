import { deviceIndex, type Device } from '@vattention/interface'

import { callNative } from '../../../native/node/native-error.ts'
import { addon, type NativeMemory } from './addon.ts'
import type { TensorOwner } from './owned-tensor.ts'

/** A cache line, and the widest vector there is: no kernel wants more. */
const alignment = 64

/** Memory that a tensor and its slices share. */
export abstract class TensorMemory implements TensorOwner {
  /** A plain field: backends ask it for every tensor of every call. */
  disposed = false
  readonly address: bigint
  readonly bytes: number
  readonly #native: NativeMemory

  /** @internal */
  constructor(bytes: number, make: () => NativeMemory) {
    this.#native = callNative(make)
    this.address = this.#native.address
    this.bytes = bytes
  }

  /** Idempotent. */
  release(): void {
    this.disposed = true
    this.#native.release()
  }
}

/** Memory of the host. */
export class HostMemory extends TensorMemory {
  /**
   * @param pinnedFor A GPU that is to read and write it by itself; defaults to none.
   * @throws `ERR_VATTENTION_OUT_OF_MEMORY`, `ERR_VATTENTION_UNSUPPORTED` without that GPU.
   */
  constructor(bytes: number, pinnedFor?: Device) {
    const { Memory, PinnedMemory } = addon()
    super(bytes, () =>
      pinnedFor ? new PinnedMemory(bytes, deviceIndex(pinnedFor)) : new Memory(bytes, alignment),
    )
  }
}

/** Memory of a GPU. */
export class DeviceMemory extends TensorMemory {
  /** @throws `ERR_VATTENTION_OUT_OF_MEMORY`, `ERR_VATTENTION_UNSUPPORTED` without the device. */
  constructor(bytes: number, device: Device) {
    const { DeviceMemory } = addon()
    super(bytes, () => new DeviceMemory(bytes, deviceIndex(device)))
  }
}
