import { deviceTensor, read, write } from '@vattention/core'
import type { Device } from '@vattention/interface'

import { hostMemory } from './host-memory.ts'
import type { Memory } from './memory.ts'

/**
 * Memory of a device, by `@vattention/core`: what a backend's cases use unless a subject brings its
 * own. Reading and writing wait for everything that the device was given before.
 */
export function deviceMemory(device: Device): Memory {
  if (device.type === 'cpu') return hostMemory
  return { device, tensor: (dtype, shape) => deviceTensor(dtype, shape, device), read, write }
}
