import {
  copy,
  CudaStream,
  deviceMemory,
  deviceTensor,
  recordTime,
  type CudaDeviceInfo,
  type DeviceTensor,
} from '@vattention/core'
import type { Device, DType } from '@vattention/interface'

import type { BenchDevice, DevicePoint } from './bench-device.ts'

// Twice the L2 cache of any GPU (the largest has 126 MiB), and long enough that launches are queued
// while it is written.
const flushBytes = 512 * 2 ** 20

/** A GPU, and the stream that all of a bench's work goes to. */
export class GpuDevice implements BenchDevice {
  readonly isGpu = true
  readonly device: Device
  readonly name: string
  readonly stream: CudaStream
  readonly info: CudaDeviceInfo
  readonly driverVersion?: string
  readonly lastLevelBytes = flushBytes / 4
  #flushed: readonly [DeviceTensor, DeviceTensor] | undefined

  constructor(info: CudaDeviceInfo, driverVersion?: string) {
    this.info = info
    if (driverVersion !== undefined) this.driverVersion = driverVersion
    this.device = info.device
    this.name = info.name
    this.stream = new CudaStream(this.device)
  }

  tensor(dtype: DType, shape: readonly number[]): DeviceTensor {
    return deviceTensor(dtype, shape, this.device)
  }

  flush(): void {
    this.#flushed ??= [
      this.tensor('float32', [flushBytes / 8]),
      this.tensor('float32', [flushBytes / 8]),
    ]
    copy(this.#flushed[0], this.#flushed[1], this.stream)
  }

  point(): DevicePoint {
    return recordTime(this.stream)
  }

  synchronize(): Promise<void> {
    return this.stream.synchronize()
  }

  freeBytes(): number {
    return deviceMemory(this.device).freeBytes
  }

  [Symbol.dispose](): void {
    for (const tensor of this.#flushed ?? []) tensor[Symbol.dispose]()
    this.stream[Symbol.dispose]()
  }
}
