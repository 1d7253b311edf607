/**
 * Takes a GPU's memory but for some bytes, says so, and keeps it until its input ends.
 *
 *   hog.process.js <bytes to leave>
 */
import { deviceMemory, deviceTensor } from '@vattention/core'
import type { Device } from '@vattention/interface'

const gpu: Device = { type: 'cuda', index: 0 }
const leave = Number(process.argv[2])
const chunk = 2 ** 26

const held = []
for (;;) {
  const spare = deviceMemory(gpu).freeBytes - leave
  if (spare < chunk) break
  const bytes = Math.min(Math.floor(spare / chunk) * chunk, 2 ** 32)
  held.push(deviceTensor('float8_e4m3', [bytes], gpu))
}
process.stdout.write(`${held.length}\n`)
// Refers to the tensors: they are not collected before.
process.stdin.resume().on('end', () => process.exit(held.length > 0 ? 0 : 1))
