import type { Memory } from '@vattention/conformance'
import {
  copy,
  CudaStream,
  deviceTensor,
  pinnedTensor,
  read,
  recordFence,
  write,
} from '@vattention/core'
import {
  denseStrides,
  dtypeBytes,
  elementCount,
  type Device,
  type DType,
  type KvCache,
  type Tensor,
} from '@vattention/interface'

/**
 * Memory of a GPU that is read and written in the order of a stream of its own, behind what caches do
 * themselves and nothing else. `read` and `write` wait for the whole device instead, and so for work
 * that a test holds open on another stream.
 */
export class OrderedMemory implements Memory {
  readonly device: Device
  readonly #caches = new Set<KvCache>()
  #stream: CudaStream | undefined
  #pinned = { bytes: 0, tensor: undefined as Tensor | undefined }

  constructor(device: Device) {
    this.device = device
  }

  /** From now on reads and writes come behind the zeroing and copying of `cache`. */
  with<Cache extends KvCache>(cache: Cache): Cache {
    this.#caches.add(cache)
    return cache
  }

  tensor(dtype: DType, shape: readonly number[]): Tensor {
    return deviceTensor(dtype, shape, this.device)
  }

  read(tensor: Tensor): ArrayLike<number> {
    const staged = this.#staged(tensor)
    this.#copy(tensor, staged)
    return read(staged)
  }

  write(tensor: Tensor, values: Float32Array): void {
    const staged = this.#staged(tensor)
    write(staged, values)
    this.#copy(staged, tensor)
  }

  #copy(from: Tensor, to: Tensor): void {
    const stream = (this.#stream ??= new CudaStream(this.device))
    for (const cache of this.#caches) {
      try {
        cache.waitReady(stream)
      } catch {
        this.#caches.delete(cache) // disposed
      }
    }
    copy(from, to, stream)
    using fence = recordFence(stream)
    while (!fence.done);
  }

  /** A dense tensor of the host with the same elements. */
  #staged({ dtype, shape }: Tensor): Tensor {
    const bytes = elementCount(shape) * dtypeBytes[dtype]
    if (bytes > this.#pinned.bytes) {
      const tensor = pinnedTensor('float8_e4m3', [bytes], this.device)
      this.#pinned = { bytes, tensor }
    }
    return { ...this.#pinned.tensor!, dtype, shape, strides: denseStrides(shape) }
  }
}
