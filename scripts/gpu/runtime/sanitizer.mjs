// compute-sanitizer's memcheck: finds accesses out of bounds and misaligned ones in kernels, at a cost
// of ten to a hundred times the time.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** The exit status that stands for errors that memcheck found. */
const foundErrors = 86

/**
 * How to run a process under memcheck; undefined when the tool is not there.
 *
 * @param {string} app Where the bundle's own copy would be.
 */
export function findSanitizer(app) {
  const names = [
    join(app, 'sanitizer/compute-sanitizer'),
    'compute-sanitizer',
    '/usr/local/cuda/bin/compute-sanitizer',
  ]
  const found = names.find(
    (name) =>
      (!name.startsWith('/') || existsSync(name)) &&
      spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0,
  )
  if (found === undefined) return undefined
  const options = ['--tool', 'memcheck', '--target-processes', 'application-only']
  options.push('--error-exitcode', String(foundErrors), '--print-limit', '5')
  // A case may need no kernel.
  options.push('--require-cuda-init', 'no')
  // Errors that calls return are what tests of errors provoke; the tests look at them.
  options.push('--report-api-errors', 'no')
  return { wrapper: [found, ...options] }
}

/** Indexes of a suite's short set: the first case of each group. A fuzz test is not short. */
export function shortSet({ cases }) {
  const groups = cases.map(({ group }) => group)
  return [...cases.keys()].filter(
    (index) => groups.indexOf(groups[index]) === index && !groups[index].includes('fuzz'),
  )
}
