// The benches in C++ (bench/native), run as programs that print one line of JSON.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Where they are: in a bundle, or in the tree that npm run build:cuda -- benches leaves. */
const folders = ['../../../native/benches/', '../../../native/build-cuda/benches/']

/** The program's path; undefined when it was not built. */
export function findNativeBench(name) {
  return folders
    .map((folder) => fileURLToPath(new URL(`${folder}${name}`, import.meta.url)))
    .find((file) => existsSync(file))
}

/**
 * Runs one and returns what it found out.
 * @throws with what it said when it failed, or was not built
 */
export function runNativeBench(name, args) {
  const file = findNativeBench(name)
  if (!file) throw new Error(`${name} is not built: npm run build:cuda -- benches`)
  const { status, signal, stdout, stderr } = spawnSync(file, args.map(String), {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  if (status !== 0) throw new Error(`${name}: ${stderr.trim() || signal || `exit code ${status}`}`)
  const result = JSON.parse(stdout.trim().split('\n').at(-1))
  if (result.unavailable) throw new Error(`${name}: ${result.unavailable}`)
  return result
}
