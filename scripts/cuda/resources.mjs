// What a build takes of the machine.
import { existsSync, readFileSync, statfsSync } from 'node:fs'

import { BootstrapError, say } from '../progress.mjs'

const gibibyte = 2 ** 30

/** The most that compiling one file was seen to take: FlashAttention-3's, and all others. */
export const heavyBytes = 6 * gibibyte
export const lightBytes = 4 * gibibyte

/** Below this, a build runs out of disk: the toolkit, sources, objects and the compiler's own files. */
const diskBytes = 3 * gibibyte

function number(file) {
  if (!existsSync(file)) return Infinity
  const text = readFileSync(file, 'utf8').trim()
  return text === 'max' ? Infinity : Number(text)
}

/** Bytes of memory that this process may still get: what the system has, or its control group. */
export function availableMemory() {
  const meminfo = existsSync('/proc/meminfo') ? readFileSync('/proc/meminfo', 'utf8') : ''
  const system = Number(/^MemAvailable:\s+(\d+) kB/m.exec(meminfo)?.[1] ?? Infinity) * 1024
  const group = '/sys/fs/cgroup'
  const limit = number(`${group}/memory.max`)
  return Math.min(system, limit === Infinity ? limit : limit - number(`${group}/memory.current`))
}

/**
 * How many files to compile at a time.
 *
 * @param {number} wanted The most.
 * @param {number} available Bytes of memory.
 * @returns {{ jobs: number, heavyJobs: number }} At least one each.
 */
export function planJobs(wanted, available) {
  const fit = (bytes) => Math.max(1, Math.min(wanted, Math.floor(available / bytes)))
  return { jobs: fit(lightBytes), heavyJobs: fit(heavyBytes) }
}

/** Says so when memory is short, and throws when a disk is. */
export function checkResources({ available, needed, folders }) {
  const gibibytes = (bytes) => `${(bytes / gibibyte).toFixed(1)} GiB`
  if (available < needed) {
    say(
      `Memory may be short: ${gibibytes(available)} are free, and compiling one of the files takes up to ` +
        `${gibibytes(needed)}. What is finished is kept; the same command goes on from there.`,
    )
  }
  for (const folder of folders) {
    const { bavail, bsize } = statfsSync(folder)
    if (bavail * bsize < diskBytes) {
      throw new BootstrapError(
        `The disk of ${folder} has ${gibibytes(bavail * bsize)} left; the build needs ` +
          `${gibibytes(diskBytes)}. Free some space, or set VATTENTION_CACHE_DIR to a folder on another disk.`,
      )
    }
  }
}
