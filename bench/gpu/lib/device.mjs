// Where a bench measures: a GPU with a stream of its own and the GPU's clock, or the CPU, on which a
// bench is tried without one.
import {
  capture,
  copy,
  CudaStream,
  deviceTensor,
  devices,
  hostTensor,
  recordTime,
} from '@vattention/core'

/** There is nothing to measure on: the reason, in words. No failure. */
export class Unavailable extends Error {
  name = 'Unavailable'
}

// Twice the L2 cache of any GPU, and long enough that launches are queued while it is written.
const flushBytes = 512 * 2 ** 20

/** A point in time of the host. */
class HostPoint {
  at = performance.now()
  millisecondsSince(earlier) {
    return this.at - earlier.at
  }
  [Symbol.dispose]() {
    // A number holds nothing.
  }
}

/** The CPU: everything is done when a call returns. */
class HostDevice {
  device = { type: 'cpu' }
  stream = undefined
  name = 'CPU'
  isGpu = false

  tensor(dtype, shape) {
    return hostTensor(dtype, shape)
  }
  flush() {
    // Nothing that is tried here is a figure.
  }
  point() {
    return new HostPoint()
  }
  /** Waits for all that was enqueued. */
  async synchronize() {
    // All is done.
  }
  freeBytes() {
    return 2 ** 30
  }
  dispose() {
    // Nothing was opened.
  }
}

/** A GPU, and the stream that all of a bench's work goes to. */
class GpuDevice {
  isGpu = true
  #flushed

  constructor(info, driverVersion) {
    this.info = info
    this.driverVersion = driverVersion
    this.device = info.device
    this.name = info.name
    this.stream = new CudaStream(this.device)
  }

  tensor(dtype, shape) {
    return deviceTensor(dtype, shape, this.device)
  }

  /**
   * Overwrites the L2 cache. Also what a measurement begins behind, so that the GPU never waits for
   * the launches that are measured.
   */
  flush() {
    this.#flushed ??= [0, 1].map(() => this.tensor('float32', [flushBytes / 8]))
    copy(this.#flushed[0], this.#flushed[1], this.stream)
  }

  point() {
    return recordTime(this.stream)
  }

  synchronize() {
    return this.stream.synchronize()
  }

  capture(record) {
    return capture(this.stream, record)
  }

  freeBytes() {
    const { index } = this.device
    return devices().devices.find(({ device }) => device.index === index).freeBytes
  }

  dispose() {
    this.#flushed?.forEach((tensor) => tensor[Symbol.dispose]())
    this.stream[Symbol.dispose]()
  }
}

/**
 * @param {number | 'cpu'} which
 * @throws {Unavailable}
 */
export function openDevice(which) {
  if (which === 'cpu') return new HostDevice()
  const list = devices()
  const info = list.devices.find(({ device }) => device.index === which)
  if (!info) throw new Unavailable(list.reason ?? `there is no cuda:${which}`)
  if (info.unusable) throw new Unavailable(`${info.name}: ${info.unusable}`)
  return new GpuDevice(info, list.driverVersion)
}
