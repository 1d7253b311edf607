// Runs a suite of `vattention bench`, or a report of results:
//
//   bench.mjs                         says which there are
//   bench.mjs <name> [--out <folder>] [options of the suite]
//
// Results go to --out, by default bench-results in the current folder.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const command = fileURLToPath(new URL('../packages/vattention/dist/bin.js', import.meta.url))
const [name, ...args] = process.argv.slice(2)

// Suites collect garbage between measurements.
const argv = ['--expose-gc', command, 'bench', ...(name ? [name, ...args] : ['--help'])]
const { status, signal } = spawnSync(process.execPath, argv, { stdio: 'inherit' })
if (signal) console.error(`${name}: ended by ${signal}`)
process.exitCode = status ?? 1
