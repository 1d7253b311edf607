import { devices } from '@vattention/core'

import { Unavailable, type BenchDevice } from './bench-device.ts'
import { systemClock, type Clock } from './clock.ts'
import { GpuDevice } from './gpu-device.ts'
import { HostDevice } from './host-device.ts'

/**
 * Opens what a bench measures on. The caller disposes it.
 *
 * @param which `cpu`, or CUDA's number of a GPU.
 * @param clock Of the CPU's points; a GPU has its own. Defaults to the machine's.
 * @throws Unavailable when there is no such GPU, or it cannot be used
 */
export function openDevice(which: 'cpu' | number, clock: Clock = systemClock): BenchDevice {
  if (which === 'cpu') return new HostDevice(clock)
  const list = devices()
  const info = list.devices.find(({ device }) => device.type === 'cuda' && device.index === which)
  if (!info) throw new Unavailable(list.reason ?? `there is no cuda:${which}`)
  if (info.unusable) throw new Unavailable(`${info.name}: ${info.unusable}`)
  return new GpuDevice(info, list.driverVersion)
}
