// Whether there is a GPU, asked of the package that will use it.
import { spawnSync } from 'node:child_process'

import { devices } from '@vattention/core'

/** What nvidia-smi tells of the first GPU; nothing where there is none. */
function askTool() {
  const fields = { driver: 'driver_version', clock: 'clocks.max.sm', power: 'power.limit' }
  const args = [
    `--query-gpu=${Object.values(fields).join(',')}`,
    '--format=csv,noheader',
    '-i',
    '0',
  ]
  const { status, stdout } = spawnSync('nvidia-smi', args, { encoding: 'utf8' })
  if (status !== 0) return {}
  const values = stdout.trim().split(', ')
  return Object.fromEntries(Object.keys(fields).map((name, index) => [name, values[index]]))
}

/**
 * Looks for a GPU: the first one is used.
 *
 * @returns {{ available: boolean, reason?: string, broken?: boolean, gpu?: object }} why there is none,
 * in words; `broken` when it is the software that does not work here, whatever the machine has
 */
export function probeDevice() {
  try {
    const { devices: found, driverVersion, reason } = devices()
    if (found.length === 0) return { available: false, reason: inOneLine(reason) }
    const [{ name, computeCapability, totalBytes, freeBytes, unusable }] = found
    if (unusable) return { available: false, reason: inOneLine(`${name}: ${unusable}`) }
    const gpu = { name, computeCapability, totalBytes, freeBytes, count: found.length }
    return { available: true, gpu: { ...gpu, cuda: driverVersion, ...askTool() } }
  } catch (error) {
    return { available: false, broken: true, reason: inOneLine(error.message) }
  }
}

const inOneLine = (text) => text.replaceAll(/\s*\n\s*-?\s*/g, ' ')
