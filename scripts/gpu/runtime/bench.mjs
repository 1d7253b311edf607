// Runs a bench by its name:
//
//   bench.mjs                         says which there are
//   bench.mjs <name> [--out <folder>] [options of the bench]
//
// Results go to --out, by default bench-results in the current folder.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../bench', import.meta.url))
const names = JSON.parse(readFileSync(join(folder, 'benches.json'), 'utf8'))

const [asked, ...args] = process.argv.slice(2)
// gpu/prefill goes by prefill, too.
const name = names.find((each) => each === asked) ?? names.find((each) => basename(each) === asked)
if (name === undefined) {
  console.error(`Usage: bench <name> [--out <folder>] [options]\nThere are: ${names.join(', ')}`)
  process.exit(asked === undefined ? 0 : 2)
}
const at = args.indexOf('--out')
const [, out = 'bench-results'] = at < 0 ? [] : args.splice(at, 2)
mkdirSync(out, { recursive: true })
const { status, signal } = spawnSync(
  process.execPath,
  ['--expose-gc', join(folder, `${name}.mjs`), ...args],
  { stdio: 'inherit', env: { ...process.env, VATTENTION_RESULTS_DIR: resolve(out) } },
)
if (signal) console.error(`${name}: ended by ${signal}`)
process.exitCode = status ?? 1
