import type { CudaDeviceInfo, CudaStream, DeviceTensor } from '@vattention/core'
import type { Device, DType } from '@vattention/interface'

/** A point in time of the device's clock. */
export interface DevicePoint extends Disposable {
  /** Once the device has passed both. */
  millisecondsSince(earlier: DevicePoint): number
}

/** Where a bench measures: the CPU, or a GPU with a stream that all work goes to. */
export interface BenchDevice extends Disposable {
  readonly device: Device
  /** For people: `NVIDIA H200`, `CPU`. */
  readonly name: string
  readonly isGpu: boolean
  /** Absent on the CPU, where everything is done when a call returns. */
  readonly stream?: CudaStream
  /** Of a GPU. */
  readonly info?: CudaDeviceInfo
  /** The driver's newest CUDA: `13.0`. Of a GPU. */
  readonly driverVersion?: string
  /** Of the last-level cache, or more: what is smaller may still be in it when it is read again. */
  readonly lastLevelBytes: number
  /** Zeroed memory of the device. The caller disposes it. */
  tensor(dtype: DType, shape: readonly number[]): DeviceTensor
  /**
   * Overwrites the last-level cache. On a GPU it is enqueued, and what a measurement begins behind,
   * so that the GPU never waits for the launches that are measured.
   */
  flush(): void
  /** Now, behind what was enqueued. */
  point(): DevicePoint
  /** Waits for all that was enqueued. */
  synchronize(): Promise<void>
  /** Memory that can be had now. */
  freeBytes(): number
}

/** There is nothing to measure on, or with: the reason in words. No failure. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable'
}
