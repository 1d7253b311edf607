import { readFileSync } from 'node:fs'

import { measureMappingCeiling } from '@vattention/core'

import type { SuiteContext } from '../../suite/index.ts'

const setting = '/proc/sys/vm/max_map_count'

/** What Linux allows a process, and what this one has; nothing is changed. */
function hostMappings(): { limitCount: number; processCount: number } | undefined {
  try {
    return {
      limitCount: Number(readFileSync(setting, 'utf8')),
      processCount: readFileSync('/proc/self/maps', 'utf8').trim().split('\n').length,
    }
  } catch {
    return undefined
  }
}

/** How many mappings live together before the driver refuses, up to a cap. */
export async function measureCeiling(
  { device, recorder }: SuiteContext,
  { cap, seconds }: { readonly cap: number; readonly seconds: number },
): Promise<void> {
  const host = device.isGpu ? undefined : hostMappings()
  try {
    const found = await measureMappingCeiling({ device: device.device, cap, seconds })
    const { mappings, end, driverCall = null, driverCode = null } = found
    recorder.add({
      name: end === 'driver' ? 'live mappings' : `live mappings, at least (ended by the ${end})`,
      parameters: { part: 'ceiling', end, driverCall, driverCode },
      metrics: { liveMappingsCount: mappings, capCount: cap, ...host },
    })
  } catch (error) {
    recorder.skip('live mappings', error)
  }
}
