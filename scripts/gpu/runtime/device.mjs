// Whether there is a GPU, asked of the package that will use it.
import { spawnSync } from 'node:child_process'

import { ContiguousKvCache } from '@vattention/core'

/** What nvidia-smi tells; absent where there is none. */
function describeGpu() {
  const fields = ['name', 'driver_version', 'memory.total', 'clocks.max.sm', 'power.limit']
  const args = [`--query-gpu=${fields.join(',')}`, '--format=csv,noheader']
  const { status, stdout } = spawnSync('nvidia-smi', args, { encoding: 'utf8' })
  if (status !== 0) return undefined
  const gpus = stdout.trim().split('\n')
  const [name, driver, memory, clock, power] = gpus[0].split(', ')
  return { name, driver, memory, clock, power, count: gpus.length }
}

/**
 * Opens a cache of one token on the first GPU.
 *
 * @returns {Promise<{ available: boolean, reason?: string, broken?: boolean, gpu?: object }>} why not,
 * in words; `broken` when it is the software that does not work here, whatever the machine has
 */
export async function probeDevice() {
  try {
    const cache = new ContiguousKvCache({
      ...{ layers: 1, kvHeads: 1, headDim: 64, dtype: 'bfloat16' },
      ...{ maxSequences: 1, maxLength: 1, limitBytes: Number.MAX_SAFE_INTEGER, mapAhead: false },
      device: { type: 'cuda', index: 0 },
    })
    cache[Symbol.dispose]()
    return { available: true, gpu: describeGpu() }
  } catch (error) {
    return {
      available: false,
      reason: error.message.replaceAll(/\s*\n\s*-?\s*/g, ' '),
      broken: error.code === 'ERR_VATTENTION_NATIVE_LOAD',
    }
  }
}
