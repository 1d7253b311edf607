import { devices, type DeviceList } from '@vattention/core'
import type { VattentionError } from '@vattention/interface'

/** The GPUs of this machine, or why there are none. */
export function readDevices(): DeviceList {
  try {
    return devices()
  } catch (error) {
    return { devices: [], reason: (error as VattentionError).message }
  }
}
