// Runs a suite of `vattention bench`, a report of results, or a bench of bench/gpu by its name:
//
//   bench.mjs                         says which there are
//   bench.mjs <name> [--out <folder>] [options of the suite or bench]
//
// Results go to --out, by default bench-results in the current folder.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../bench', import.meta.url))
const command = fileURLToPath(new URL('../packages/vattention/dist/bin.js', import.meta.url))
const programs = JSON.parse(readFileSync(join(folder, 'benches.json'), 'utf8'))

const [name, ...args] = process.argv.slice(2)

function run(argv, env = process.env) {
  // Benches collect garbage between measurements.
  const { status, signal } = spawnSync(process.execPath, ['--expose-gc', ...argv], {
    stdio: 'inherit',
    env,
  })
  if (signal) console.error(`${name}: ended by ${signal}`)
  return status ?? 1
}

function runProgram() {
  const at = args.indexOf('--out')
  const [, out = 'bench-results'] = at < 0 ? [] : args.splice(at, 2)
  mkdirSync(out, { recursive: true })
  const env = { ...process.env, VATTENTION_RESULTS_DIR: resolve(out) }
  return run([join(folder, `${name}.mjs`), ...args], env)
}

if (programs.includes(name)) process.exitCode = runProgram()
else process.exitCode = run([command, 'bench', ...(name ? [name, ...args] : ['--help'])])
if (name === undefined) console.log(`\nOf the bars: ${programs.join(', ')}`)
