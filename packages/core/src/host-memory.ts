import { callNative } from '../../../native/node/native-error.ts'
import { addon, type NativeMemory } from './addon.ts'
import type { TensorOwner } from './owned-tensor.ts'

/** A cache line, and the widest vector there is: no kernel wants more. */
const alignment = 64

/** Memory that a tensor and its slices share. */
export class HostMemory implements TensorOwner {
  /** A plain field: backends ask it for every tensor of every call. */
  disposed = false
  readonly address: bigint
  readonly bytes: number
  readonly #native: NativeMemory

  /** @throws `ERR_VATTENTION_OUT_OF_MEMORY` */
  constructor(bytes: number) {
    const { Memory } = addon()
    this.#native = callNative(() => new Memory(bytes, alignment))
    this.address = this.#native.address
    this.bytes = bytes
  }

  /** Idempotent. */
  release(): void {
    this.disposed = true
    this.#native.release()
  }
}
